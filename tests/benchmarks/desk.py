"""How fast the marking desk answers with 1,000 students, while two TAs mark: run by hand.

    python tests/benchmarks/desk.py

The desk is a process of its own, and so is each TA: they mark one answer after the other, a tenth of a second
after the page is there, and look at the class list, a student, the flags and a history in between. The files
are written anew meanwhile, as always.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from desks import Answer, Browser, fill

STUDENTS = 1000
MARKED = 150  # by each TA
PAUSE = 0.1  # seconds, after each answer of the desk
BETWEEN = 10  # answers marked, before a TA looks at something else


def seen_in(page: str) -> str:
    found = re.search(r'name="seen" value="(\d+)"', page)
    assert found, page[:2000]
    return found[1]


def mark(port: int, token: str, who: str, question: int) -> list[tuple[str, float]]:
    """What one TA asked for, and how many seconds each answer took."""
    browser, took, chance = Browser(port, who, token), list[tuple[str, float]](), random.Random(who)

    def timed(what: str, ask: Callable[[], Answer], status: int = 200) -> Answer:
        began = time.perf_counter()
        answer = ask()
        took.append((what, time.perf_counter() - began))
        time.sleep(PAUSE)
        assert answer.status == status, (what, answer.status, answer.text[:300])
        return answer

    to = browser.get(f"/answers/{question}").to
    students = re.findall(r"/student/\w+", browser.get("/").text)
    for at in range(MARKED):
        page = timed("an answer", lambda to=to: browser.get(to))  # type: ignore[misc]
        fields = {"seen": seen_in(page.text), "points": chance.choice("01"), "comment": "", "show": "open"}
        to = timed("saving points", lambda: browser.post(to.partition("?")[0], fields), 303).to  # noqa: B023
        if at % BETWEEN == 0:
            student = chance.choice(students)
            timed("the class list", lambda: browser.get("/"))
            timed("a student", lambda: browser.get(student))  # noqa: B023
            timed("a history", lambda: browser.get(f"{student}/history"))  # noqa: B023
            timed("the flags", lambda: browser.get("/flags"))
    return took


def cpu_seconds(pid: int) -> float:
    """Of a process, without its children's."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(what: str, seconds: list[float]) -> None:
    seconds = sorted(seconds)
    of = len(seconds)
    half, most = seconds[of // 2], seconds[min(of - 1, round(0.95 * of))]
    print(
        f"{what:<15} n = {of:<5} median {1000 * half:5.1f} ms,"
        f" 95th percentile {1000 * most:5.1f} ms, slowest {1000 * seconds[-1]:6.1f} ms"
    )


def run() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "results")
        fill(folder, [f"pb{number:06}" for number in range(STUDENTS)])
        command = [sys.executable, "-m", "grader", "desk", str(folder)]
        began = time.perf_counter()
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as desk:
            assert desk.stdout
            found = re.search(r":(\d+)/\?token=(\S+)", desk.stdout.readline())
            assert found
            port, token = int(found[1]), found[2]
            Browser(port, "Ann", token).get("/")
            before = cpu_seconds(desk.pid)
            print(f"from the command to the first page: {time.perf_counter() - began:.1f} s")
            try:
                with ProcessPoolExecutor(2) as pool:
                    asked = [pool.submit(mark, port, token, who, 1) for who in ("Ann", "Bo")]
                    took = [one for ta in asked for one in ta.result()]
                used = cpu_seconds(desk.pid) - before
            finally:
                desk.terminate()
        for what in dict.fromkeys(what for what, _ in took):
            told(what, [seconds for one, seconds in took if one == what])
        told("all", [seconds for _, seconds in took])
        print(f"the desk's own CPU time: {1000 * used / len(took):.1f} ms a request")


if __name__ == "__main__":
    run()
