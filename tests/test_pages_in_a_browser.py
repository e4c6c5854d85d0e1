"""Pages as a browser shows them: attacks stay text, the table works by keyboard, axe has no objection."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest
from marked import LAB, MONDAY, RUBRIC, a_class, evidence, keep, measured, verdict

from grader.gradebook import Gradebook
from grader.kit.handouts.pdf import find_chromium
from grader.marks import current
from grader.report import course_of, feedback_page, leaderboard_page
from grader.report.class_page import class_page
from grader.types import Attempt, Decision, Flag, Problem, Status, Training, Verdict

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.skipif(find_chromium() is None, reason="Chromium is not installed")

# ruff: noqa: E501 (an attack is a line)
MARKUP = (
    "<script>window.pwned = 1</script>",
    "</title></style></pre></script><script>window.pwned = 1</script>",
    "<img src=x onerror='window.pwned = 1'>",
    '" onmouseover="window.pwned = 1" autofocus onfocus="window.pwned = 1" x="',
    "'><svg onload=window.pwned=1><animate onbegin=window.pwned=1 attributeName=x dur=1s>",
    "<svg><style>@import 'https://a.example/x.css'</style><image href='https://a.example/i.png'/></svg>",
    "<style>body { display: none } * { background: url(https://a.example/b) }</style>",
    "<link rel=stylesheet href=//a.example/a.css><base href=//a.example/><meta http-equiv=refresh content='0;url=https://a.example'>",
    "<iframe src='javascript:window.top.pwned=1'></iframe><object data='data:text/html,<script>top.pwned=1</script>'></object>",
    "<form action=//a.example><input name=q autofocus></form><a href='javascript:window.pwned=1'>x</a>",
    "<!-- --><![CDATA[ <math><mtext><table><mglyph><style><img src onerror=window.pwned=1>",
    "{{ 7 * 7 }} {% include '/etc/passwd' %} ${7*7} `</code><script>window.pwned=1</script>`",
)
DIRECTIONS = (
    "\u202egnp.exe\u202c \u2066abc\u2069 \u200f\u061c\u2067 evil",
    "\u05d0\u05d1\u05d2 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 100 of 104 points",
)
SHAPES = (
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d\u034f\u0334\u0319\u0324\u031e\u0349\u035a\u032f" * 20,
    "\ufdfd" * 60,
    "W" * 2000,
    "\n" * 500 + "far below" + " " * 3000 + "\t" * 500,
    "\x1b[2J\x1b]0;pwn\x07\x00\x08\x7f\x9b31m\u2028\u2029\ufeff\ud800",
)
CORPUS = (*MARKUP, *DIRECTIONS, *SHAPES)


class Shown:
    """A page in the browser, with what it did: requests beside its own, dialogs, errors."""

    def __init__(self, page: Any, file: Path) -> None:
        self.page, self.file, self.did = page, file, list[str]()
        page.on("request", self._note)
        page.on("dialog", self._dismiss)
        page.on("pageerror", lambda error: self.did.append(str(error)))
        page.on("console", lambda message: self.did.append(message.text))
        page.goto(file.as_uri())

    def again(self, html: str) -> Shown:
        """The same window with another page."""
        self.file.write_text(html, "utf-8")
        self.page.goto(self.file.as_uri())
        return self

    def _note(self, request: Any) -> None:
        """Keep the address of whatever is no part of the page."""
        if request.url != self.file.as_uri() and not request.url.startswith("data:image/png;base64,"):
            self.did.append(request.url)

    def _dismiss(self, dialog: Any) -> None:
        self.did.append(dialog.message)
        dialog.dismiss()

    def elements(self) -> int:
        found: int = self.page.evaluate("document.querySelectorAll('*:not(code)').length")
        return found

    def is_wider_than_the_window(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))


Open = Callable[..., Shown]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    arguments = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=find_chromium(), args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens a page, given in HTML."""
    opened = []

    def open(html: str, width: int = 1280, scheme: Literal["light", "dark"] = "light") -> Shown:
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        opened.append(page)
        file = tmp_path / f"{len(opened)}.html"
        file.write_text(html, "utf-8")
        return Shown(page, file)

    yield open
    for page in opened:
        page.close()


def full(text: str = "harmless", id: str = "pb1") -> Verdict:
    """A mark in which every text that a student, an LMS or a TA supplies is `text`."""
    one = verdict(
        id,
        text,
        text=f"{text} and more of one's own words",
        log=f"{text}\n" * 9,
        code=text,
        remarks=[text],
        wrong=["conv_size_formula"],
        training=Training(
            budget_seconds=9, pace=9, seed=8, seconds=9, reason=text, history={text: (3.0, 2.0, 1.0)}
        ),
        flags=(Flag(kind="claim", message=text),),
    )
    checks = [
        check.model_copy(
            update={"title": text, "expected": text, "actual": text, "hint": text, "reason": text}
        )
        if check.id == "conv_size_formula"
        else check
        for check in one.checks
    ]
    rows = [
        row.model_copy(update={"title": text, "reason": text, "decided": row.points, "why": text})
        if row.id in ("conv_size_formula", "question_1")
        else row
        for row in one.rows
    ]
    return one.model_copy(
        update={
            "checks": tuple(checks),
            "rows": tuple(rows),
            "section": text,
            "reason": text,
            "status": Status.CRASHED,
            "answers": tuple(answer.model_copy(update={"reason": text}) for answer in one.answers),
        }
    )


def decisions(text: str) -> list[Decision]:
    bare = Decision(made_at=MONDAY, by=text, why=text, student_id="pb1", kind="excuse")
    return [
        bare.model_copy(update={"number": 1, "kind": "extend", "until": text}),
        bare.model_copy(update={"number": 2, "kind": "adjust", "row": text, "points": Decimal(1)}),
        bare.model_copy(update={"number": 3, "kind": "choose_attempt", "digest": text}),
    ]


def pages(text: str, lang: Any = "en") -> dict[str, str]:
    """Each kind of page with this text wherever somebody could put it."""
    one = full(text)
    attempts = [Attempt(student_id="pb1", problem=Problem(status=Status.CRASHED, reason=text))]
    return {
        "feedback": feedback_page(one, course_of(LAB, RUBRIC, [one], lang), attempts, decisions(text)),
        "class": class_page([one, full(text, f"id {text}"), verdict("pb3")], RUBRIC, {"pb1.html"}),
        "leaderboard": leaderboard_page([one], RUBRIC, {"pb1": text}, lang),
    }


@pytest.mark.parametrize("kind", ["feedback", "class", "leaderboard"])
def test_an_attack_is_only_text(show: Open, kind: str) -> None:
    plain = show(pages("harmless")[kind], 390)
    heading, elements = plain.page.locator("h1").bounding_box(), plain.elements()
    assert plain.did == [] and not plain.is_wider_than_the_window()
    for attack in CORPUS:
        shown = plain.again(pages(attack)[kind])
        assert shown.did == [], attack
        assert shown.page.evaluate("window.pwned") is None, attack
        # An attack adds no element, and takes none away, but for what it writes in backticks.
        assert shown.elements() == elements, attack
        assert not shown.is_wider_than_the_window(), attack
        box = shown.page.locator("h1").bounding_box()
        assert (box["x"], box["width"]) == (heading["x"], heading["width"]), attack
        assert not re.search("[\u202a-\u202e\u2066-\u2069\x1b]", shown.page.inner_text("body")), attack


def test_the_policy_stops_what_escaping_would_miss(browser: Any, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    file.write_text(pages("harmless")["class"].replace("<h1>", f"{''.join(MARKUP[:7])}<h1>", 1), "utf-8")
    page, refused = browser.new_page(), []
    page.on("requestfailed", lambda request: refused.append(request.failure))
    page.on(
        "response", lambda response: refused.append(response.url) if "a.example" in response.url else None
    )
    shown = Shown(page, file)
    assert page.evaluate("window.pwned") is None
    assert set(refused) <= {"csp"}
    assert any("Content Security Policy" in did for did in shown.did)
    page.close()


@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("kind", ["feedback", "class", "leaderboard"])
def test_axe_finds_nothing_serious(
    show: Open, kind: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    pytest.importorskip("axe_playwright_python")
    axe = (files("axe_playwright_python") / "axe.min.js").read_text("utf-8")
    shown = show(pages("harmless")[kind], width, scheme)
    shown.page.evaluate(axe)  # not as a script element: the policy allows none
    found = shown.page.evaluate("axe.run({ resultTypes: ['violations'] })")
    serious = [
        (one["id"], one["nodes"][0]["html"][:200], one["nodes"][0]["failureSummary"][:300])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    assert len(found["passes"]) > 10 and not shown.is_wider_than_the_window()


def test_lost_points_and_their_titles_are_two_columns(show: Open) -> None:
    long = "a title that takes several lines of a small window, and then some more words"
    for width in (1280, 390):
        shown = show(feedback_page(full(long), course_of(LAB, RUBRIC, [full(long)])), width)
        for line in shown.page.locator("ol.lost .what").all():
            points, title = (line.locator(tag).bounding_box() for tag in ("strong", "span"))
            assert points["x"] + points["width"] <= title["x"] and title["height"] >= 20


def test_a_table_that_is_cut_off_says_so_by_a_shadow(show: Open) -> None:
    shown = show(class_page(a_class(3), RUBRIC), 600)
    scroll = "document.querySelector('#students .scroll')"
    assert shown.page.evaluate(f"{scroll}.scrollWidth > {scroll}.clientWidth")
    background = shown.page.evaluate(f"getComputedStyle({scroll}).background")
    assert background.count("linear-gradient") == 4 and background.count("local") == 2


def students_shown(shown: Shown) -> list[str]:
    texts: list[str] = shown.page.locator("#table tbody tr:visible th").all_inner_texts()
    return texts


def test_the_table_is_sorted_and_filtered_by_keyboard(show: Open) -> None:
    students = a_class(40)
    students[5] = students[5].model_copy(
        update={"flags": (Flag(kind="claim", message="x"),), "late_seconds": 7200}
    )
    students[7] = students[7].model_copy(update={"status": Status.TIMEOUT})
    shown = show(class_page(students, RUBRIC))
    keyboard = shown.page.keyboard
    shown.page.locator("#find").focus()
    keyboard.type("pb0001")
    assert shown.page.locator("#shown").inner_text() == "10 of 40" and len(students_shown(shown)) == 10
    keyboard.press("Control+a")
    keyboard.press("Delete")
    keyboard.press("Tab")  # the statuses
    keyboard.type("timeout")
    assert students_shown(shown) == ["pb00007"]
    keyboard.press("Home")
    keyboard.press("Tab")  # only with flags
    keyboard.press("Space")
    assert students_shown(shown) == ["pb00005"]
    keyboard.press("Space")
    total = shown.page.get_by_role("button", name="total")
    total.focus()
    keyboard.press("Enter")
    totals = [float(text) for text in shown.page.locator("#table tbody tr td:nth-child(8)").all_inner_texts()]
    assert len(totals) == 40 and totals == sorted(totals, reverse=True)
    assert shown.page.locator("th[aria-sort=descending]").inner_text().startswith("total")
    keyboard.press("Enter")
    totals = [float(text) for text in shown.page.locator("#table tbody tr td:nth-child(8)").all_inner_texts()]
    assert totals == sorted(totals)
    assert shown.did == []


def test_a_link_leads_to_the_students_page_whatever_the_id(browser: Any, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from grader.cli import main

    ids = ["张伟", "100%", "a#b?c", "../x", "a b"]
    results = keep(tmp_path / "out", [evidence(id, f"name of {id}", number=n) for n, id in enumerate(ids)])
    assert CliRunner().invoke(main, ["feedback", str(results)]).exit_code == 0
    with Gradebook.open(results) as book:
        assert len(current(book)) == len(ids)
    page = browser.new_page()
    for id in ids:
        page.goto((results / "class.html").as_uri())
        page.locator("#table").get_by_role("link", name=id, exact=True).click()
        assert page.locator("h1").inner_text() == f"Feedback: name of {id}"
    page.close()


def test_a_page_in_print_shows_everything(show: Open) -> None:
    shown = show(pages("harmless")["feedback"])
    shown.page.emulate_media(media="print", color_scheme="dark")
    colours = "(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor] })()"
    assert shown.page.evaluate(colours) == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    shown.page.set_viewport_size({"width": 640, "height": 900})  # A4 within its margins
    assert not shown.is_wider_than_the_window()
    hidden = "[...document.querySelectorAll('pre, .scroll')].filter(e => e.scrollHeight > e.clientHeight + 1).length"
    assert shown.page.evaluate(hidden) == 0
    assert shown.page.locator(".mistakes img").count() == len(measured().mistakes)
    loaded = "[...document.images].every(image => image.complete && image.naturalWidth === 32)"
    assert shown.page.evaluate(loaded)
