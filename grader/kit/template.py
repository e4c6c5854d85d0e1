"""The student's template: the solution's source without what the student is to write.

What lies between two markers, indented alike, is left out:

    # BEGIN SOLUTION Task 2: write lenet5
    # HINT how many numbers reach the first linear layer?
    return nn.Sequential(...)
    # END SOLUTION

becomes

    # TODO (Task 2): how many numbers reach the first linear layer?
    raise NotImplementedError("Task 2: write lenet5")

A region without a task holds helpers; of it nothing stays but its hints, as comments.
"""

from __future__ import annotations

import re

from grader.errors import UserError

MOST_HINTS = 2

_BEGIN = re.compile(r"( *)# BEGIN SOLUTION(?: (Task \w+): (write \w+))?")
_END = re.compile(r"( *)# END SOLUTION")
_HINT = re.compile(r" *# HINT (\S.*)")
_LIKE_A_MARKER = re.compile(r"#\W*(?:begin|end)\W*solution|#\W*hint\b", re.IGNORECASE)


def make_template(source: str, name: str) -> str:
    """Return `source` with every solution region replaced; `name` is the file's, for messages.

    Raises UserError with the line number where markers are nested, unclosed, misspelt or indented
    differently, where a hint stands elsewhere than right below its BEGIN, or there are more than two.
    """
    kept: list[str] = []
    region: re.Match[str] | None = None  # the BEGIN of the region that we are in
    begun, hints, in_head = 0, 0, False
    for number, line in enumerate(source.splitlines(), start=1):
        begin, end, hint = (pattern.fullmatch(line.rstrip()) for pattern in (_BEGIN, _END, _HINT))
        where = f"{name}, line {number}"
        if begin:
            if region:
                raise UserError(f"{where}: a solution inside that of line {begun}: end that one first")
            region, begun, hints, in_head = begin, number, 0, True
        elif end:
            if not region:
                raise UserError(
                    f"{where}: END SOLUTION without a BEGIN SOLUTION: remove it, or add the other"
                )
            if end[1] != region[1]:
                raise UserError(f"{where}: END SOLUTION is not indented like line {begun}: align the two")
            if region[2]:
                kept.append(f'{region[1]}raise NotImplementedError("{region[2]}: {region[3]}")')
            region = None
        elif hint and region and in_head:
            hints += 1
            if hints > MOST_HINTS:
                raise UserError(f"{where}: more than {MOST_HINTS} hints for one task: keep the best")
            kept.append(f"{region[1]}# " + (f"TODO ({region[2]}): " if region[2] else "") + hint[1])
        elif _LIKE_A_MARKER.search(line):
            raise UserError(
                f"{where}: looks like a marker and is none: write '# BEGIN SOLUTION', "
                "'# BEGIN SOLUTION Task 1: write name', '# END SOLUTION', or '# HINT …' right below a BEGIN"
            )
        elif region:
            in_head = False
        else:
            kept.append(line)
    if region:
        raise UserError(f"{name}, line {begun}: BEGIN SOLUTION is never closed: add END SOLUTION")
    return "\n".join(kept) + "\n"
