"""Where runs are executed: a generator of the runs that have ended, each with its last row."""
