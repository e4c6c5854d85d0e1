"""Renderings of verdicts: a spreadsheet in two formats, a JSON file a student, a table for the terminal."""

from grader.export.scores import write_scores
from grader.export.table import score_table

__all__ = ["score_table", "write_scores"]
