# Languages. It is read as Python <!-- python -->.
import re


def tokens(text):
    # BEGIN SOLUTION Task 1: write tokens
    return re.findall(r"\w+", text.lower())
    # END SOLUTION


def language(texts):
    # BEGIN SOLUTION Task 2: write language
    known = {"de": {"der", "und", "ich"}, "fr": {"la", "le", "et"}}
    return [next((one for one in known if known[one] & {*tokens(text)}), "en") for text in texts]
    # END SOLUTION
