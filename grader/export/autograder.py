"""The grader as others run it: Gradescope's autograder zip, and GitHub's workflow for the self-test."""

from __future__ import annotations

import importlib.metadata
import io
import re
import zipfile
from pathlib import Path

import grader
from grader.gradebook import stored
from grader.rubric import Rubric

PACKAGE = "convnet-lab-grader"
PINNED = ("torch", "torchvision")  # by which the same network gives the same outputs
RUBRIC = "rubric.json"
_WRITTEN = (2000, 1, 1, 0, 0, 0)  # any fixed date: the same kit gives the same zip
_LEFT_OUT = ("__pycache__", "docs")

_SETUP = """\
#!/usr/bin/env bash
# Run once by Gradescope, when it builds the image.
set -euo pipefail
root="${AUTOGRADER_ROOT:-/autograder}"
apt-get update
apt-get install -y --no-install-recommends python3 python3-venv
python3 -m venv "$root/venv"
"$root/venv/bin/python" -m pip install --no-cache-dir --requirement "$root/source/requirements.txt"
"""

_RUN = """\
#!/usr/bin/env bash
# Run by Gradescope for each submission: writes results/results.json, or nothing where the grader failed, so
# that a fault of the grader's is never a zero.
set -euo pipefail
root="${AUTOGRADER_ROOT:-/autograder}"
cd "$root/source/kit"  # Python looks for modules where it is started
PYTHONPATH="$PWD" exec "$root/venv/bin/python" -m grader.export.gradescope "$root"
"""

_WORKFLOW = """\
# The public self-test on every push. It gives no points: the grader asks more, and with other numbers.
name: self-test
on: [push, workflow_dispatch]
permissions:
  contents: read
concurrency:
  group: self-test-${{ github.ref }}
  cancel-in-progress: true
jobs:
  self-test:
    runs-on: ubuntu-latest
    timeout-minutes: 20
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.11"
          cache: pip
      - run: python -m pip install --requirement requirements.txt
      - run: python selftest.py
"""


def gradescope_zip(rubric: Rubric) -> bytes:
    """What Gradescope's "Configure Autograder" takes: two scripts, the kit with its images, the rubric."""
    home = Path(grader.__file__).parent
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, raw: bytes, mode: int = 0o644) -> None:
            info = zipfile.ZipInfo(name, _WRITTEN)
            info.external_attr = mode << 16
            archive.writestr(info, raw, zipfile.ZIP_DEFLATED)

        add("setup.sh", _SETUP.encode(), 0o755)
        add("run_autograder", _RUN.encode(), 0o755)
        add("requirements.txt", requirements().encode())
        add(RUBRIC, stored(rubric).encode())
        for path in sorted(home.rglob("*")):
            part = path.relative_to(home)
            if path.is_file() and not set(part.parts) & set(_LEFT_OUT):
                add(f"kit/grader/{part.as_posix()}", path.read_bytes())
    return content.getvalue()


def requirements() -> str:
    """The kit's own, with torch as it is here: another version may round otherwise."""
    lines = []
    for line in importlib.metadata.requires(PACKAGE) or ():
        name = re.split(r"[^\w.-]", line, maxsplit=1)[0]
        if "extra ==" in line:
            continue
        if name in PINNED:
            line = f"{name}=={importlib.metadata.version(name).partition('+')[0]}"
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def workflow() -> bytes:
    """`.github/workflows/selftest.yml` of the repository that students' repositories are made from."""
    return _WORKFLOW.encode()
