"""The report of a results folder, made from its records and tables alone: nothing here imports torch."""
