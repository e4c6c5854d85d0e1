"""The marking desk in Chromium: by mouse and by keys, for two TAs, with hostile texts, on any screen."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from desks import Desk, fill, measured, running
from test_gradebook import handed_in, run

from grader.gradebook import Gradebook
from grader.marks import current
from grader.types import Decision, Flag, Verdict

pytest.importorskip("playwright.sync_api", reason="needs playwright")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")

from playwright.sync_api import Browser, BrowserContext, Dialog, Page, sync_playwright  # noqa: E402

IDS = ("pb1", "pb2", "pb3", "pb4", "张三")
MODEL = "## Question 1\n\nThe model answer.\n"
DESKTOP, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}

HOSTILE = (
    "<script>hacked = 1; fetch('http://127.0.0.1:1/x')</script>",
    "</title></textarea></style></script><img src=http://127.0.0.1:1/i onerror='hacked = 1'>",
    '"><svg onload=hacked=1><animate onbegin=hacked=1 attributeName=x dur=1s></svg>',
    "' autofocus onfocus=hacked=1 x='",
    "<style>* { position: fixed; display: none !important }</style>",
    "<link rel=stylesheet href=http://127.0.0.1:1/s><meta http-equiv=refresh content='0;url=http://127.0.0.1:1/'>",
    "<base href=http://127.0.0.1:1/><form action=http://127.0.0.1:1/><button>0</button></form>",
    "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
    "javascript:hacked=1//{{ 7*7 }}{% raw %}${7*7}",
    "\u202etxet desrever\u2066\u2067 \u200b\u2028",
    "Z\u0351\u036b\u0343\u036a\u0302\u036b\u033d" * 20,
    "W" * 400,
    "مرحبا بالعالم",
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    with sync_playwright() as started:
        # As root, Chromium has no sandbox of its own; what it opens here is ours.
        browser = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    fill(tmp_path / "results", IDS)
    with running(tmp_path / "results", MODEL) as started:
        yield started


@pytest.fixture
def ann(chromium: Browser, desk: Desk) -> Iterator[Page]:
    with chromium.new_context(viewport=DESKTOP) as context:  # type: ignore[arg-type]
        yield at_the_desk(context, desk, "Ann")


def at_the_desk(context: BrowserContext, desk: Desk, who: str) -> Page:
    page = context.new_page()
    page.set_default_timeout(20_000)
    page.goto(desk.address)
    page.get_by_label("Your name").fill(who)
    page.get_by_role("button", name="Start marking").click()
    page.get_by_role("heading", name="Class").wait_for()
    assert "token" not in page.url
    return page


def press(page: Page, key: str) -> None:
    """A key, when the page's script is there."""
    page.wait_for_load_state()
    page.keyboard.press(key)


def dialogs_of(page: Page) -> list[str]:
    """The kinds of those that a page opens, all of which are dismissed."""
    found = list[str]()

    def dismiss(dialog: Dialog) -> None:
        found.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", dismiss)
    return found


def made(desk: Desk, student: str) -> list[Decision]:
    with Gradebook.open(desk.folder) as book:
        return book.decisions().get(student, [])


def marks(desk: Desk) -> dict[str, Verdict]:
    with Gradebook.open(desk.folder) as book:
        return {one.student_id: one for one in current(book)}


def decided(desk: Desk, row: str) -> dict[str, str]:
    rows = {id: next(one for one in verdict.rows if one.id == row) for id, verdict in marks(desk).items()}
    return {id: str(one.decided) for id, one in rows.items() if one.decided is not None}


def test_marking_by_mouse(desk: Desk, ann: Page) -> None:
    ann.get_by_role("navigation", name="Desk").get_by_role("link", name="Question 1").click()
    ann.get_by_text("The model answer.").wait_for()
    ann.get_by_text("This is by pb1.").wait_for()
    ann.get_by_label("Comment").fill("half of it")
    ann.get_by_role("button", name="0.5").click()
    ann.get_by_text("Saved: pb1, question_1 is 0.50").wait_for()
    ann.get_by_text("This is by pb2.").wait_for()
    ann.get_by_label("Comment").fill("nearly all")
    ann.get_by_label("Other points").fill("0.75")
    ann.get_by_role("button", name="Save").click()
    ann.get_by_text("Saved: pb2, question_1 is 0.75").wait_for()
    ann.get_by_role("button", name="Undo").click()
    ann.get_by_text("Saved: pb2, decision 2 undone").wait_for()
    ann.get_by_text("This is by pb2.").wait_for()
    assert decided(desk, "question_1") == {"pb1": "0.50"}
    assert [one.why for one in made(desk, "pb1") + made(desk, "pb2")][:2] == ["half of it", "nearly all"]
    ann.get_by_role("link", name="Class").click()
    ann.get_by_role("link", name="pb1", exact=True).click()
    ann.get_by_role("link", name="change accuracy").click()
    form = ann.locator("form").filter(has=ann.get_by_role("heading", name="Points"))
    assert form.get_by_label("Row").input_value() == "accuracy"
    form.get_by_label("Points").fill("60")
    form.get_by_label("Why").fill("a rounding error")
    form.get_by_role("button").click()
    ann.get_by_text("Saved: pb1, accuracy is 60.00").wait_for()
    assert decided(desk, "accuracy") == {"pb1": "60.00"}


def test_marking_by_keys(desk: Desk, ann: Page) -> None:
    ann.get_by_role("navigation", name="Desk").get_by_role("link", name="Question 2").click()
    ann.get_by_text("This is by pb1.").wait_for()
    press(ann, "j")
    ann.get_by_text("This is by pb2.").wait_for()
    press(ann, "k")
    ann.get_by_text("This is by pb1.").wait_for()
    press(ann, "c")
    ann.keyboard.type("0 or 1? j")  # which are letters here
    press(ann, "Escape")
    press(ann, "1")
    ann.get_by_text("Saved: pb1, question_2 is 1.00").wait_for()
    ann.get_by_text("This is by pb2.").wait_for()
    press(ann, "h")
    ann.get_by_text("This is by pb4.").wait_for()  # pb3 gave no answer
    press(ann, "u")
    ann.get_by_text("Saved: pb2, decision 2 undone").wait_for()
    ann.get_by_text("This is by pb2.").wait_for()
    press(ann, "5")
    ann.get_by_text("5: there is no such button").wait_for()
    press(ann, "0")
    ann.get_by_text("Saved: pb2, question_2 is 0.00").wait_for()
    ann.get_by_text("This is by pb4.").wait_for()
    press(ann, "p")
    ann.keyboard.type("0.25\n")
    ann.get_by_text("Saved: pb4, question_2 is 0.25").wait_for()
    assert decided(desk, "question_2") == {"pb1": "1.00", "pb2": "0.00", "pb4": "0.25"}
    assert made(desk, "pb1")[0].why == "0 or 1? j"
    press(ann, "b")
    ann.get_by_text("Names and numbers are hidden").wait_for()
    assert "张三" not in ann.inner_text("main").replace("This is by 张三.", "")


def test_a_comment_is_not_left_behind_unasked(desk: Desk, ann: Page) -> None:
    asked = dialogs_of(ann)
    ann.get_by_role("navigation", name="Desk").get_by_role("link", name="Question 1").click()
    ann.get_by_label("Comment").fill("typed and not saved")
    ann.get_by_role("link", name="Class").click()
    ann.wait_for_timeout(500)
    assert asked == ["beforeunload"] and "/answers/" in ann.url


def test_two_tas_and_one_answer(chromium: Browser, desk: Desk, ann: Page) -> None:
    with chromium.new_context(viewport=DESKTOP) as context:  # type: ignore[arg-type]
        bo = at_the_desk(context, desk, "Bo")
        ann.get_by_role("navigation", name="Desk").get_by_role("link", name="Question 1").click()
        ann.get_by_text("This is by pb1.").wait_for()
        bo.get_by_role("navigation", name="Desk").get_by_role("link", name="Question 1").click()
        bo.get_by_text("This is by pb2.").wait_for()  # the first is Ann's
        press(bo, "k")
        bo.get_by_text("On the screen of Ann as well").wait_for()
        press(ann, "1")
        ann.get_by_text("Saved: pb1").wait_for()
        bo.get_by_label("Comment").fill("not for me")
        bo.get_by_role("button", name="0", exact=True).click()
        alert = bo.get_by_role("alert").filter(has_text="somebody was faster")
        alert.get_by_text("question_1 is 1.00").wait_for()
        assert "Ann" in alert.inner_text() and decided(desk, "question_1") == {"pb1": "1.00"}
        assert bo.get_by_label("Comment").input_value() == "not for me"
        bo.get_by_role("button", name="0", exact=True).click()
        bo.get_by_text("Saved: pb1, question_1 is 0.00").wait_for()
        assert [(one.by, one.why) for one in made(desk, "pb1")] == [
            ("Ann", "read at the desk"),
            ("Bo", "not for me"),
        ]


def test_filters_and_flags(desk: Desk, ann: Page) -> None:
    press(ann, "/")
    ann.keyboard.type("pb2\n")
    ann.get_by_text("1 of 5 students").wait_for()
    ann.get_by_role("navigation", name="Desk").get_by_role("link", name="Flags").click()
    ann.get_by_label("What you found").fill("an old notebook")
    ann.get_by_role("button", name="Settle").click()
    ann.get_by_text("Settled: an old notebook (Ann)").wait_for()
    assert not marks(desk)["pb2"].open_flags


def test_a_page_of_another_server_can_do_nothing(desk: Desk, ann: Page) -> None:
    """Not even one on this machine, to which the browser would send the desk's cookie."""
    ann.get_by_role("link", name="pb1", exact=True).click()
    action = f"{ann.url}/decide"

    class Evil(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(
                f"<form method=post action='{action}'><input name=kind value=excuse><input name=why value=x>"
                f"<input name=seen value=9></form><iframe src='{desk.address}'></iframe>"
                "<script>document.forms[0].submit()</script>".encode()
            )

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Evil) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        ann.goto(f"http://127.0.0.1:{server.server_port}/")
        ann.get_by_text("refused: this request comes from another page").wait_for()
        server.shutdown()
        thread.join()
    assert not made(desk, "pb1")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A class whose ids, names, answers, flags, logs and reasons are attacks."""
    folder = tmp_path_factory.mktemp("hostile") / "results"
    works = [
        handed_in(f"{text}{at}").model_copy(
            update={"name": text, "section": text, "remarks": (text,), "digest": f"d{at}"}
        )
        for at, text in enumerate(HOSTILE)
    ]
    with Gradebook.open_to_grade(folder) as book:
        seen = run(book, *works, source=HOSTILE[0])
        for at, (work, text) in enumerate(zip(works, HOSTILE, strict=True)):
            answer = "".join(
                f"## Question {n}\n\n{text}\nand words {'of my own ' * 9}{n}\n\n" for n in range(1, 5)
            )
            found = measured(
                work, answer, [Flag(kind="claim", message=text)], failed=("conv_size_floor",), log=text
            )
            assert found.checks and found.answers
            outcomes = [
                one.model_copy(
                    update={"title": text, "reason": text, "hint": text, "expected": text, "actual": text}
                )
                for one in found.checks.outcomes
            ]
            raw = [one.model_copy(update={"text": f"{text}\n{text}"}) for one in found.answers.outcomes]
            parts = {
                "checks": found.checks.model_copy(update={"outcomes": tuple(outcomes)}),
                "answers": found.answers.model_copy(update={"outcomes": tuple(raw)}),
            }
            book.record(seen[at], found.model_copy(update=parts))
    with running(folder, "## Question 1\n\nThe model answer.\n") as started:
        yield started


def pages_of(page: Page, desk: Desk) -> list[str]:
    """The address of every page of a desk."""
    root = f"http://127.0.0.1:{desk.port}"
    page.goto(f"{root}/")
    students = [link.get_attribute("href") for link in page.locator("#class a").all()]
    assert len(students) == len(HOSTILE)
    keys = [(path or "").rpartition("/")[2] for path in students]
    paths = ["/", "/flags", "/who", "/done/1", "/nowhere"]
    for at, key in enumerate(keys):
        paths += [f"/student/{key}", f"/answers/1/{key}?show=all{'&blind=1' if at % 2 else ''}"]
    paths += [f"/student/{keys[0]}/history", f"/student/{keys[0]}/regrade"]
    return [root + path for path in paths]


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_hostile_texts_do_nothing_and_displace_nothing(
    chromium: Browser, hostile: Desk, size: dict[str, int]
) -> None:
    asked = list[str]()
    with chromium.new_context(viewport=size) as context:  # type: ignore[arg-type]
        context.on("request", lambda request: asked.append(request.url))
        page = at_the_desk(context, hostile, HOSTILE[1][:90])
        dialogs = dialogs_of(page)
        for address in pages_of(page, hostile):
            page.goto(address)
            assert page.evaluate("typeof hacked") == "undefined", address
            allowed = "[src='/static/desk.js']"
            assert (
                page.locator(
                    f"script:not({allowed}), img, svg, iframe, style, base, meta[http-equiv]"
                ).count()
                == 0
            )
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                f"{address} is too wide"
            )
            assert page.locator("main h1").bounding_box()["x"] < 60  # type: ignore[index]
            assert not set("\u202e\u2066\u2067\u200b\u2028") & set(page.content()), address
    assert not dialogs
    assert all(url.startswith(f"http://127.0.0.1:{hostile.port}/") for url in asked), set(asked)


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")], ids=["desktop", "phone"])
def test_pages_are_accessible(chromium: Browser, hostile: Desk, size: dict[str, int], scheme: str) -> None:
    with chromium.new_context(viewport=size, color_scheme=scheme) as context:  # type: ignore[arg-type]
        page = at_the_desk(context, hostile, "Ann")
        addresses = pages_of(page, hostile)
        for address in [*addresses[:8], *addresses[-2:]]:
            page.goto(address)
            found = axe.Axe().run(page).response["violations"]
            told = [
                (one["id"], one["impact"], [node["html"][:200] for node in one["nodes"]][:3]) for one in found
            ]
            assert not told, f"{address}: {told}"


def test_the_class_list_follows_a_run(chromium: Browser, tmp_path: Path) -> None:
    folder = tmp_path / "results"
    works = [handed_in(id) for id in ("pb1", "pb2", "pb3")]
    with Gradebook.open_to_grade(folder) as book:
        seen = run(book, *works)
        with running(folder) as desk, chromium.new_context(viewport=DESKTOP) as context:  # type: ignore[arg-type]
            page = at_the_desk(context, desk, "Ann")
            page.get_by_text("0 of 3 measured").wait_for()
            assert page.get_by_role("cell", name="not measured yet").count() == 3
            for at, work in enumerate(works[:2]):
                book.record(seen[at], measured(work, ""))
            page.get_by_text("2 of 3 measured").wait_for()
            page.get_by_role("cell", name="graded", exact=True).nth(1).wait_for()
