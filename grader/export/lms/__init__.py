"""Marks into the LMS's own file: one module an LMS, and what they share.

An LMS is what `template.Lms` asks for: how its file is read, and what may be written there. `plan` matches
students and lines and finds what nobody may decide but a person; `sheet` changes the cells.
"""

from .blackboard import Blackboard
from .brightspace import Brightspace
from .canvas import Canvas
from .gradescope import Gradescope
from .moodle import Moodle
from .plan import Choices, Plan, make_plan
from .template import Lms, Template, read_template

SYSTEMS: dict[str, Lms] = {
    "blackboard": Blackboard(),
    "canvas": Canvas(),
    "moodle": Moodle(),
    "brightspace": Brightspace(),
    "gradescope": Gradescope(),
}

__all__ = ["SYSTEMS", "Choices", "Lms", "Plan", "Template", "make_plan", "read_template"]
