
class Failure: pass
def failures(results): return []
