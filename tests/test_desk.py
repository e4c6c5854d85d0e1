"""The marking desk, by the requests that a browser makes: what is let in, shown, decided and kept."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from html import unescape
from pathlib import Path

import pytest
from click.testing import CliRunner
from desks import TOKEN, Browser, Desk, answers, fill, measured, running
from test_gradebook import decision, handed_in, run

from grader.cli import main
from grader.desk.marks_now import MarksNow
from grader.gradebook import Gradebook
from grader.marks import current, holding
from grader.types import Decision, Flag, Verdict

IDS = ("pb1", "pb2", "pb3", "pb4", "张三", "=1+1/../x")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    fill(tmp_path / "results", IDS)
    with running(tmp_path / "results", "## Question 1\n\nThe model's words.\n") as started:
        yield started


@pytest.fixture
def ann(desk: Desk) -> Browser:
    return Browser(desk.port, "Ann")


def field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, page
    return unescape(str(found[1]))


def verdict(desk: Desk, student: str) -> Verdict:
    with Gradebook.open(desk.folder) as book:
        return next(one for one in current(book) if one.student_id == student)


def made(desk: Desk, student: str) -> list[Decision]:
    with Gradebook.open(desk.folder) as book:
        return book.decisions().get(student, [])


def path_of(browser: Browser, student: str) -> str:
    """The address of a student's page."""
    page = browser.get("/").text
    found: dict[str, str] = {
        unescape(id): path for path, id in re.findall(r'<a href="(/student/\w+)">([^<]*)</a>', page)
    }
    return found[student]


# Who is let in


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"Cookie": ""}, "token included"),
        ({"Cookie": "desk_{port}=wrong"}, "token included"),
        ({"Cookie": f"desk_1={TOKEN}"}, "token included"),
        ({"Cookie": "desk_{port}=\u00e9\u00e9"}, "token included"),
        ({"Host": "evil.example:{port}"}, "not the desk's"),
        ({"Host": "127.0.0.1"}, "not the desk's"),
        ({"Host": "127.0.0.1.evil.example:{port}"}, "not the desk's"),
        ({"Origin": "http://127.0.0.1:1"}, "another page"),
        ({"Origin": "null"}, "another page"),
        ({"Origin": "https://127.0.0.1:{port}"}, "another page"),
        ({"Sec-Fetch-Site": "same-site"}, "another page"),
        ({"Sec-Fetch-Site": "cross-site"}, "another page"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_stranger_is_refused(closed: Desk, method: str, headers: dict[str, str], told: str) -> None:
    browser = Browser(closed.port)
    headers = {name.replace("-", "_"): value.format(port=closed.port) for name, value in headers.items()}
    answer = browser.get("/", **headers) if method == "GET" else browser.post("/who", {"who": "x"}, **headers)
    assert answer.status == 403 and told in answer.text and "pb1" not in answer.text
    assert "set-cookie" not in answer.headers


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One on which nothing is decided."""
    folder = tmp_path_factory.mktemp("closed") / "results"
    fill(folder, IDS)
    with running(folder) as started:
        yield started


def test_a_form_has_to_say_where_it_comes_from(closed: Desk) -> None:
    browser = Browser(closed.port)
    answer = browser.post("/who", {"who": "x"}, Origin="")
    assert answer.status == 403


def test_the_token_becomes_a_cookie_that_no_script_and_no_other_site_gets(closed: Desk) -> None:
    stranger = Browser(closed.port, token="")
    assert stranger.get("/?token=wrong").status == 403
    answer = stranger.get(f"/?token={TOKEN}")
    assert (answer.status, answer.to) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"desk_{closed.port}={TOKEN};")
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie


@pytest.mark.parametrize("path", ["/", "/who", "/flags", "/nowhere", "/static/desk.js", "/answers/9"])
def test_every_answer_forbids_what_a_page_does_not_need(closed: Desk, path: str) -> None:
    headers = Browser(closed.port).get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
    assert "server" not in headers


@pytest.mark.parametrize("path", ["/answers/0", "/answers/5", "/student/x", "/answers/1/x", "/files/../x"])
def test_what_is_not_there_is_told(closed: Desk, path: str) -> None:
    assert Browser(closed.port).get(path).status == 404


def test_a_form_that_is_none_is_told(closed: Desk) -> None:
    browser = Browser(closed.port)
    assert browser.post("/who", {"who": "x" * 70_000}).status == 400
    assert browser.post("/who", {"who": "x"}, Content_Type="text/plain").status == 400
    assert browser.post("/who", {str(n): "x" for n in range(60)}).status == 400
    assert browser.post("/undo", {"number": "99999999999999999999"}).status == 400
    student = path_of(browser, "pb1")
    for fields in ({}, {"kind": "undo"}, {"kind": "excuse", "why": "x"}, {"kind": "excuse", "why": " "}):
        assert browser.post(f"{student}/decide", {"seen": ""} | fields).status == 400
    assert not made(closed, "pb1")


def test_who_marks_is_asked_once(closed: Desk) -> None:
    new = Browser(closed.port, who="")
    assert new.get("/").to == "/who"
    answer = new.post("/who", {"who": "李 \u202eLi;"})
    assert answer.to == "/" and "desk_who_" in answer.headers["set-cookie"]
    new.cookies = f"desk_{closed.port}={TOKEN}; " + answer.headers["set-cookie"].partition(";")[0]
    assert "李 Li;" in new.get("/").text
    nobody = Browser(closed.port, who="")
    answer = nobody.post(f"{path_of(new, 'pb1')}/decide", {"kind": "excuse", "why": "x", "seen": "0"})
    assert answer.status == 400 and not made(closed, "pb1")


# The class


def test_the_class_list_is_filtered(closed: Desk) -> None:
    browser = Browser(closed.port)

    def listed(query: str) -> set[str]:
        return {unescape(id) for id in re.findall(r"/student/\w+\">([^<]*)<", browser.get(f"/?{query}").text)}

    assert listed("") == set(IDS)
    assert listed("find=PB2") == {"pb2"} == listed("only=flags")
    assert listed("status=absent") == set() == listed("only=decided")
    assert listed("status=graded&only=to_mark&find=%E5%BC%A0") == set(IDS), "the name of all"
    assert ">9</strong>" not in browser.get("/").text
    assert "<strong>5</strong> of 5 answers" in browser.get("/").text, "one did not answer question 2"


def test_a_run_at_work_shows_how_far_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    works = [handed_in(id) for id in ("pb1", "pb2", "pb3")]
    with Gradebook.open_to_grade(folder) as book:
        seen = run(book, *works)
        book.record(seen[0], measured(works[0], ""))
        with running(folder) as desk:
            browser = Browser(desk.port)
            assert "1 of 3 measured" in browser.get("/progress").text
            assert browser.get("/").text.count("not measured yet") >= 2
            book.record(seen[1], measured(works[1], ""))
            assert "2 of 3 measured" in browser.get("/progress").text
            told = browser.post(f"{path_of(browser, 'pb1')}/regrade", {})
            assert told.status == 400 and "a run is at work" in told.text
            book.close()
            assert "with 1 of 3 not measured" in browser.get("/progress").text


def test_a_new_run_is_taken_in(desk: Desk, ann: Browser) -> None:
    work = handed_in("new")
    with Gradebook.open_to_grade(desk.folder) as book:
        book.record(run(book, work)[0], measured(work, ""))
    assert "/student/" in path_of(ann, "new")


# Answers


def test_answers_are_marked_one_after_the_other(desk: Desk, ann: Browser) -> None:
    to = ann.get("/answers/1").to
    done = []
    while "/done/" not in to:
        page = ann.get(to).text
        assert "The model" in page and "This is by " in page
        done.append(re.search(r"This is by (.*?)\. ", unescape(page))[1])  # type: ignore[index]
        fields = {"points": "0.5", "comment": "half of it", "seen": field(page, "seen"), "show": "open"}
        answer = ann.post(to.partition("?")[0], fields)
        assert answer.status == 303
        to = answer.to
    assert done == sorted(IDS)
    page = ann.get(to).text
    assert "All answers to this question are marked" in page and "question_1 is 0.50" in page
    for student in IDS:
        row = next(row for row in verdict(desk, student).rows if row.id == "question_1")
        assert (str(row.points), str(row.decided), row.why) == ("1.00", "0.50", "half of it (Ann)")
    assert ann.get("/answers/1?show=answered").status == 303, "and can be looked at again"


@pytest.mark.parametrize("points", ["2", "-1", "x", "", "NaN", "0.001", "1" * 40])
def test_points_that_cannot_be_are_told_and_the_comment_stays(closed: Desk, points: str) -> None:
    browser = Browser(closed.port)
    to = browser.get("/answers/1?show=all").to
    page = browser.get(to).text
    fields = {"points": points, "comment": "typed at midnight", "seen": field(page, "seen"), "show": "all"}
    answer = browser.post(to.partition("?")[0], fields)
    assert answer.status == 400 and "Nothing was saved" in answer.text
    assert "typed at midnight</textarea>" in answer.text
    assert not any(made(closed, student) for student in IDS)


def test_blind_marking_hides_who_it_is_and_shuffles_stably(closed: Desk) -> None:
    browser = Browser(closed.port)

    def order(number: int) -> list[str]:
        to, found = browser.get(f"/answers/{number}?show=all&blind=1").to, list[str]()
        while to:
            page = browser.get(to).text
            shown = re.sub(r"This is by .*?\. ", "", page)
            assert not any(f">{id}<" in shown or f"{id}," in shown for id in IDS) and "/student/" not in shown
            assert "张三" not in shown
            found.append(to.split("/")[3].partition("?")[0])
            to = unescape((re.findall(r'data-key="j" href="([^"]*)"', page) or [""])[0])
        return found

    first, second = order(1), order(3)
    assert first == order(1) and sorted(first) == sorted(second) and len(first) == len(IDS)
    named = [path_of(browser, id).rpartition("/")[2] for id in sorted(IDS)]
    assert sorted(named) == sorted(first)
    assert len({tuple(named), tuple(first), tuple(second)}) == 3


def test_undoing_goes_back_to_the_answer_that_is_open_again(desk: Desk, ann: Browser) -> None:
    to = ann.get("/answers/1").to
    page = ann.get(to).text
    fields = {"points": "0", "comment": "", "seen": field(page, "seen"), "show": "open"}
    page = ann.get(ann.post(to.partition("?")[0], fields).to).text
    undo = {name: unescape(field(page, name)) for name in ("number", "seen", "back")}
    answer = ann.post("/undo", undo)
    assert answer.to.partition("?")[0] == to.partition("?")[0]
    assert "decision 1 undone" in ann.get(answer.to).text


def test_points_without_a_comment_have_no_reason_for_the_student(desk: Desk, ann: Browser) -> None:
    to = ann.get("/answers/1").to
    fields = {"points": "0", "comment": "", "seen": field(ann.get(to).text, "seen"), "show": "open"}
    ann.post(to.partition("?")[0], fields)
    (row,) = (row for id in IDS for row in verdict(desk, id).rows if row.decided is not None)
    assert (row.id, row.why) == ("question_1", "")


def test_what_is_not_known_yet_is_not_said_to_be_none(closed: Desk) -> None:
    browser = Browser(closed.port)
    assert "copies are being looked for" in browser.get("/").text
    missing = browser.get("/nothing").text
    assert "Not found" in missing and "Not Found" not in missing and "no such page" in missing


def test_the_second_of_two_sees_the_first_and_has_to_confirm(desk: Desk, ann: Browser) -> None:
    bo = Browser(desk.port, "Bo")
    to = ann.get("/answers/1").to
    path, seen = to.partition("?")[0], field(ann.get(to).text, "seen")
    assert bo.get("/answers/1").to != to, "what one has on the screen the other is not given"
    assert "On the screen of <bdi>Ann</bdi>" in bo.get(to).text
    assert ann.post(path, {"points": "1", "comment": "all of it", "seen": seen, "show": "open"}).status == 303
    mine = {"points": "0", "comment": "nothing of it", "seen": seen, "show": "open"}
    answer = bo.post(path, mine)
    assert answer.status == 409 and "all of it" in answer.text and "<bdi>Ann</bdi>" in answer.text
    assert "nothing of it</textarea>" in answer.text
    student = min(IDS)
    assert [one.by for one in made(desk, student)] == ["Ann"], "nothing is lost, nothing overwritten"
    assert bo.post(path, mine | {"seen": field(answer.text, "seen")}).status == 303
    assert [(one.by, str(one.points)) for one in made(desk, student)] == [("Ann", "1.00"), ("Bo", "0.00")]


def test_decisions_on_other_rows_do_not_disturb(desk: Desk, ann: Browser) -> None:
    student = path_of(ann, "pb1")
    key, seen = student.rpartition("/")[2], field(ann.get(student).text, "seen")
    for number in (1, 2, 3):
        fields = {"points": "1", "comment": "", "seen": seen, "show": "open"}
        assert ann.post(f"/answers/{number}/{key}", fields).status == 303
    excuse = {"kind": "excuse", "why": "ill", "seen": seen}
    answer = Browser(desk.port, "Bo").post(f"{student}/decide", excuse)
    assert answer.status == 409 and "question_3 is 1.00" in answer.text, "but an excuse is about all of them"
    confirmed = {"kind": "excuse", "why": "ill", "seen": field(answer.text, "seen")}
    assert ann.post(f"{student}/decide", confirmed).status == 303
    assert verdict(desk, "pb1").standing == "excused"


def test_a_decision_by_the_command_is_seen_too(desk: Desk, ann: Browser) -> None:
    student = path_of(ann, "pb1")
    seen = field(ann.get(student).text, "seen")
    result = CliRunner().invoke(main, ["adjust", str(desk.folder), "pb1", "question_1=0", "--why", "x"])
    assert result.exit_code == 0, result.output
    fields = {"kind": "adjust", "row": "question_1", "points": "1", "why": "y", "seen": seen}
    assert ann.post(f"{student}/decide", fields).status == 409


# One student


def test_everything_on_a_student_is_decided_and_undone(desk: Desk, ann: Browser) -> None:
    student = path_of(ann, "pb4")
    page = ann.get(student).text
    for told in ("conv_size_floor", "This is by pb4", "第一轮", "download.zip", "is not there any more"):
        assert told in page
    before = verdict(desk, "pb4").total
    for fields, expected in (
        ({"kind": "adjust", "row": "total", "points": "50"}, (Decimal("50.00"), "counts")),
        ({"kind": "extend", "until": "3"}, (Decimal("50.00"), "counts")),
        ({"kind": "waive_late"}, (Decimal("50.00"), "counts")),
        ({"kind": "exclude", "points": "7"}, (Decimal("7.00"), "excluded")),
        ({"kind": "excuse"}, (None, "excused")),
    ):
        answer = ann.post(
            f"{student}/decide", {"why": "想法", "seen": field(ann.get(student).text, "seen")} | fields
        )
        assert answer.status == 303, answer.text
        now = verdict(desk, "pb4")
        assert (now.total, now.standing) == expected
        assert "想法" in ann.get(answer.to).text
    for number in (5, 4, 3, 2, 1):
        page = ann.get(student).text
        undo = {"number": str(number), "seen": field(page, "seen"), "why": "was wrong", "back": student}
        assert ann.post("/undo", undo).to.partition("?")[0] == student
    assert verdict(desk, "pb4").total == before
    assert ann.post("/undo", undo).status == 400, "it does not hold any more"
    told = ann.get(f"{student}/history").text
    assert told.count("undone") == 5 and "run 1" in told


def test_what_cannot_be_decided_is_told(closed: Desk) -> None:
    browser = Browser(closed.port)
    student = path_of(browser, "pb1")
    seen = field(browser.get(student).text, "seen")
    for fields in (
        {"kind": "adjust", "row": "question_9", "points": "1"},
        {"kind": "adjust", "row": "accuracy", "points": "71"},
        {"kind": "extend", "until": "some day"},
        {"kind": "exclude", "points": "-1"},
        {"kind": "excuse", "points": "5"},
        {"kind": "settle_flag", "digest": "0" * 16},
    ):
        answer = browser.post(f"{student}/decide", {"seen": seen, "why": "x"} | fields)
        assert answer.status == 400 and "Nothing was saved" in answer.text
    assert not made(closed, "pb1")


def test_nobody_is_sent_elsewhere(desk: Desk, ann: Browser) -> None:
    for back in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:x", "/\r\nX: y"):
        student = path_of(ann, "pb1")
        seen = field(ann.get(student).text, "seen")
        fields = {"kind": "waive_late", "why": "x", "seen": seen, "back": back}
        assert ann.post(f"{student}/decide", fields).to.startswith("/?saved=")


def test_who_is_removed_can_be_brought_back(desk: Desk, ann: Browser) -> None:
    student = path_of(ann, "pb1")
    fields = {"kind": "remove", "why": "left", "seen": field(ann.get(student).text, "seen")}
    assert ann.post(f"{student}/decide", fields).status == 303
    assert student not in ann.get("/").text and student in ann.get("/?status=removed").text
    page = ann.get(student).text
    undo = {"number": "1", "seen": field(page, "seen"), "back": student}
    assert ann.post("/undo", undo).status == 303 and verdict(desk, "pb1").standing == "counts"


def test_a_flag_is_settled_with_a_word_and_no_points_change(desk: Desk, ann: Browser) -> None:
    page = ann.get("/flags").text
    digest, before = field(page, "digest"), verdict(desk, "pb2")
    fields = {"kind": "settle_flag", "digest": digest, "seen": field(page, "seen"), "back": "/flags"}
    answer = ann.post(f"{path_of(ann, 'pb2')}/decide", fields | {"why": "an older notebook's output"})
    assert answer.to.startswith("/flags?saved=")
    page = ann.get(answer.to).text
    assert "an older notebook&#39;s output (Ann)" in page and "Settle</button>" not in page
    assert "<strong>0</strong> to settle" in ann.get("/").text
    now = verdict(desk, "pb2")
    assert (now.total, now.rows) == (before.total, before.rows) and not now.open_flags and now.flags
    told = CliRunner().invoke(main, ["show", str(desk.folder), "pb2"]).output
    assert "[settled: an older notebook's output (Ann)]" in " ".join(told.split())
    undo = {"number": "1", "seen": field(page, "seen"), "back": "/flags"}
    assert ann.post("/undo", undo).to == "/flags?saved=2" and verdict(desk, "pb2").open_flags


def test_a_flag_with_other_figures_is_another_flag() -> None:
    flag = Flag(kind="copy", message="alike 0.98 with pb3")
    settled = decision("pb2", "settle_flag", row=flag.kind, digest=flag.digest)
    held = holding([settled.model_copy(update={"number": 1})])
    assert set(held.flags) == {flag.digest} and "1: flag copy settled (Ann" in held.lines[0]
    assert flag.model_copy(update={"message": "alike 0.99 with pb4"}).digest not in held.flags


# Files, and the end


def test_files_are_written_at_the_end(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    fill(folder, IDS)
    with running(folder, writes=True) as desk:
        ann = Browser(desk.port)
        page = ann.get("/flags").text
        fields = {"kind": "settle_flag", "digest": field(page, "digest"), "seen": field(page, "seen")}
        assert ann.post(f"{path_of(ann, 'pb2')}/decide", fields | {"why": "=looked at"}).status == 303
    with (folder / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["student_id"]: row for row in csv.DictReader(file)}
    assert "[settled: =looked at (Ann)]" in rows["pb2"]["flags"]
    assert "looked at" not in (folder / "students" / "pb2.json").read_text("utf-8"), "students read it"


@pytest.mark.slow
def test_files_are_written_before_they_are_fetched(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    fill(folder, IDS)
    with running(folder, writes=True) as desk:
        ann = Browser(desk.port)
        student = path_of(ann, "pb1")
        fields = {"kind": "adjust", "row": "total", "points": "1", "why": "x"}
        ann.post(f"{student}/decide", fields | {"seen": field(ann.get(student).text, "seen")})
        sheet = ann.get("/files/scores.csv")
        rows = {row["student_id"]: row for row in csv.DictReader(sheet.text.splitlines())}
        assert rows["pb1"]["total"] == "1.00" and "attachment" in sheet.headers["content-disposition"]
        assert ann.get("/files/scores.xlsx").text.startswith("PK")


def test_a_feedback_page_is_linked_where_there_is_one_and_runs_no_script(desk: Desk, ann: Browser) -> None:
    student = path_of(ann, "pb1")
    assert "/feedback" not in ann.get(student).text and ann.get(f"{student}/feedback").status == 404
    (desk.folder / "feedback").mkdir()
    (desk.folder / "feedback" / "pb1.html").write_text("<script>x</script>", encoding="utf-8")
    assert f'href="{student}/feedback"' in ann.get(student).text
    answer = ann.get(f"{student}/feedback")
    assert answer.status == 200
    assert answer.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


def test_a_killed_desk_has_lost_no_mark_that_it_said_was_saved(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    fill(folder, [f"pb{number}" for number in range(40)])
    command = [sys.executable, "-m", "grader", "desk", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as started:
        assert started.stdout
        found = re.search(r":(\d+)/\?token=(\S+)", started.stdout.readline())
        assert found
        ann, saved = Browser(int(found[1]), "Ann", found[2]), list[str]()
        to = ann.get("/answers/1").to
        while len(saved) < 30:
            page = ann.get(to).text
            fields = {"points": "0.5", "comment": "", "seen": field(page, "seen"), "show": "open"}
            answer = ann.post(to.partition("?")[0], fields)
            assert answer.status == 303
            saved.append(re.search(r"This is by (\w+)\. ", page)[1])  # type: ignore[index]
            to = answer.to
        os.killpg(started.pid, signal.SIGKILL)
    with Gradebook.open(folder) as book:
        marks = {one.student_id: one for one in current(book)}
    assert len(set(saved)) == 30
    for student in saved:
        assert {row.id: row.decided for row in marks[student].rows}["question_1"] == Decimal("0.50")


@pytest.mark.slow
def test_a_student_is_graded_again_by_a_button(tmp_path: Path) -> None:
    """By a student without code, so that no sandbox is needed."""
    folder, source = tmp_path / "results", tmp_path / "download"
    for id in IDS[:2]:
        (source / id).mkdir(parents=True)
        (source / id / "answers.md").write_text(answers(f"{id} again"), encoding="utf-8")
    fill(folder, IDS[:4], source=str(source))
    with running(folder) as desk:
        ann = Browser(desk.port)
        student = path_of(ann, "pb1")
        assert ann.post(f"{student}/regrade", {}).to == f"{student}/regrade"
        while "data-poll" in (page := ann.get(f"{student}/regrade?part=1").text):
            time.sleep(0.05)
        assert "It has ended" in page and "changed since the last run" in page, page
        assert "This is by pb1 again" in ann.get(student).text
        assert "This is by pb2. " in ann.get(path_of(ann, "pb2")).text
        student = path_of(ann, "pb3")
        ann.post(f"{student}/regrade", {})
        while "data-poll" in (page := ann.get(f"{student}/regrade?part=1").text):
            time.sleep(0.05)
        assert "It ended with status 2" in page and "pb3: no such student in the download" in page


def test_without_its_packages_or_a_gradebook_it_says_so_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = CliRunner().invoke(main, ["desk", str(tmp_path)])
    assert result.exit_code == 2 and "no gradebook.sqlite is in it" in result.output
    fill(tmp_path / "results", IDS[:3])
    result = CliRunner().invoke(
        main, ["desk", str(tmp_path / "results"), "--answers", str(tmp_path / "none")]
    )
    assert result.exit_code == 2 and "cannot be read" in result.output
    for name in [name for name in sys.modules if name.startswith("grader.desk.app")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = CliRunner().invoke(main, ["desk", str(tmp_path / "results")])
    assert result.exit_code == 2 and "pip install 'convnet-lab-grader[desk]'" in " ".join(
        result.output.split()
    )


def test_only_who_was_touched_is_marked_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, IDS)
    marks = MarksNow(tmp_path)
    with marks.book:
        before = dict(marks.verdicts)
        with Gradebook.open(tmp_path) as book:
            book.decide([decision("pb3")])
        marks.look()
        after = marks.verdicts
        assert {id for id in IDS if after[id] is not before[id]} == {"pb3"}
        with Gradebook.open(tmp_path) as book:
            assert [after[one.student_id] for one in current(book)] == current(book)
