"""The report of a results folder, made from its records and tables alone: nothing here imports torch."""

from gan_zoo.report.ranking import ranking_table
from gan_zoo.report.write import write_report

__all__ = ["ranking_table", "write_report"]
