"""How fast the engine is against the loop that tutorials write, and against the machine: what `speed.py` is made of."""
