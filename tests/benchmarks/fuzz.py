"""The fuzz tests of what reads hostile bytes, with 10,000 examples each instead of a few hundred.

    python tests/benchmarks/fuzz.py [words that pytest's -k takes]

Intake (archives, names, notebooks, Blackboard's texts), the protocol's decoder, and the texts that are made
safe. The tests and their strategies are those of the test suite; only the profile differs. Run by hand: it
takes the better part of an hour on two slow cores. Hypothesis prints what falls out, shrunk.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FILES = ("test_intake*.py", "test_sandbox_protocol.py", "test_text.py")


def main() -> int:
    files = [str(path) for pattern in FILES for path in sorted(TESTS.glob(pattern))]
    words = ["-k", " ".join(sys.argv[1:])] if len(sys.argv) > 1 else []
    options = ["-m", "hypothesis", "--hypothesis-profile=fuzz", "--hypothesis-show-statistics", "--timeout=0"]
    return pytest.main([*files, *options, *words, "--durations=0", "-q"])


if __name__ == "__main__":
    sys.exit(main())
