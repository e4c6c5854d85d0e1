"""The hidden checks."""

import random

from grader.checks import check
from grader.expect import expect, expect_equal
from grader.sandbox import Student


@check()
def tokens_words(student: Student, rng: random.Random) -> None:
    """`tokens` gives a text's words in lower case, without punctuation."""
    words = rng.sample(["Ein", "two", "TROIS", "vier"], 3)
    found = student.call("tokens", "{}, {}! {}.".format(*words))
    expect_equal(found, [word.lower() for word in words], of="tokens of three words")


@check(needs=("tokens_words",))
def language_labels(student: Student) -> None:
    """`language` gives one of en, de and fr for each sentence."""
    found = student.call("language", ["the house", "das Haus", "la maison", "?"])
    right = isinstance(found, list) and len(found) == 4 and {*map(str, found)} <= {"en", "de", "fr"}
    expect(right, "language: four labels are due", hint="a list of en, de or fr")
