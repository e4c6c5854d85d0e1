"""Templates to pages. Whatever a template is given comes out as text: harmless characters, escaped."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from grader.report.words import Language, Words
from grader.rubric import plain
from grader.text import safe_line, safe_text

MOST_MARKS = 4  # combining marks on one letter: more are no language's, and cover the lines above and below
NAME_CHARACTERS = 60
LONGEST = 20_000  # characters of one text; all that is longer was cut before
_CODE = re.compile(r"`([^`]+)`")
_PACKAGE = "grader.report"


def render(template: str, lang: Language, *, script: str = "", **values: Any) -> str:
    """The page that a template makes of these values.

    Its content security policy allows the style sheet and the script that are in it, by their digests, and
    pictures that are in it; everything else is refused.
    """
    style = resource("style.css")
    code = resource(script) if script else ""
    policy = f"default-src 'none'; img-src data:; style-src {_digest(style)}"
    policy += "; base-uri 'none'; form-action 'none'"
    if code:
        policy += f"; script-src {_digest(code)}"
    return _environment().get_template(template).render(
        t=Words(lang), lang=lang, policy=policy, style=Markup(style), script=Markup(code), **values
    )  # fmt: skip


@cache
def resource(name: str) -> str:
    """A file of the templates, of ours."""
    return (resources.files(_PACKAGE) / "templates" / name).read_text("utf-8")


@cache
def of_templates() -> str:
    """A digest of all templates, by which a page is known to be made of older ones."""
    folder = resources.files(_PACKAGE) / "templates"
    names = sorted(file.name for file in folder.iterdir())
    return hashlib.sha256("\0".join(map(resource, names)).encode()).hexdigest()


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        finalize=_harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "codes": _codes,
        "short": lambda text: safe_line(text, NAME_CHARACTERS),
        "points": points,
        "cents": lambda number: points(None) if number is None else f"{number:.2f}",
        "percent": percent,
        "at": lambda number: f"{number:.1f}".rstrip("0").rstrip("."),  # a place in a drawing
    }
    return environment


def points(number: Decimal | None) -> str:
    """2.50 as "2.5"; a dash where there are none."""
    return "–" if number is None else plain(number)


def percent(share: float | None) -> str:
    """0.587 as "58.7 %"; a dash where there is none."""
    return "–" if share is None else f"{100 * share:.1f}\u00a0%"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _harmless(value: object) -> object:
    """What every expression of every template goes through, before it is escaped."""
    if not isinstance(value, str) or isinstance(value, Markup) or (value.isascii() and value.isprintable()):
        return value
    return _thinned(safe_text(value, LONGEST))


def _thinned(text: str) -> str:
    """`text` with at most MOST_MARKS combining marks on a letter."""
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character)[0] == "M" else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def _codes(text: str) -> Markup:
    """What stands in backticks as code, like in Markdown."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(_harmless(text)))))
