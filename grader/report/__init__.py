"""Pages for people: feedback for each student, the class for its instructor, a leaderboard.

They are renderings of the same `Verdict` that the spreadsheets and JSON files render: Jinja2 templates, which
escape all they are given, and charts in SVG. A page is one file that asks the network for nothing.

The charts are templates as well. Matplotlib took 0.43 s to import, and 24 ms and 22 KB for each chart, whose
colours do not follow the reader's dark or light theme; a template takes 0.2 ms and 2 KB, and they do.
"""

from grader.report.class_page import write_class_page
from grader.report.feedback import Course, course_of, feedback_page
from grader.report.leaderboard import leaderboard_page, read_nicknames

__all__ = ["Course", "course_of", "feedback_page", "leaderboard_page", "read_nicknames", "write_class_page"]
