"""From a download to `Submission`s: who handed in, which attempt, when, which files. Executes nothing."""

from grader.intake.source import Intake, read_source, read_submissions
from grader.intake.student import read_folder

__all__ = ["Intake", "read_folder", "read_source", "read_submissions"]
