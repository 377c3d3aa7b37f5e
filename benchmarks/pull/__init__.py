"""How hard a loss pulls at each fake: what `least_squares.py` is made of."""
