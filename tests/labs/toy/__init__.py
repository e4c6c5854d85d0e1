"""A lab without images or a network: which language is a sentence in?"""

from pathlib import Path

from grader.lab import Lab
from grader.types import Contract

LAB = Lab(
    folder=Path(__file__).parent,
    title="toy lab",
    title_zh="小实验",
    contract=Contract(module="toy", functions=("tokens", "language")),
    checks=("checks.py",),
    measured="macro-F1",
)
