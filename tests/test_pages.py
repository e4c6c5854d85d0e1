"""Pages: what a student is told and what not, the class, the leaderboard, the commands that write them."""

from __future__ import annotations

import ast
import hashlib
import re
import zipfile
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from marked import ANSWER, LAB, MONDAY, RUBRIC, a_class, evidence, keep, measured, verdict
from students import calls_of, grader

from grader.checks import check_catalogue
from grader.cli import main
from grader.gradebook import Gradebook
from grader.kit.handouts import pdf
from grader.labs.lab8.pages import TITLES
from grader.report import class_page as class_page_module
from grader.report import course_of, feedback_page, leaderboard_page, write_class_page
from grader.report.charts import WIDTH, curve_chart, histogram
from grader.report.class_page import class_page
from grader.report.feedback import next_points, without_inputs
from grader.report.leaderboard import standings
from grader.report.words import CHINESE, Words
from grader.scoring import accuracy_points, score
from grader.types import Decision, Evidence, Flag, Outcome, Problem, Status, Training, Verdict

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "tests" / "submissions" / "gradebook_ML2026_Lab8_2026-11-20-23-59-59.zip"
REPORT = ROOT / "grader" / "report"


def text_of(page: str) -> str:
    """What a reader sees, and what a screen reader is told, on one line."""
    told = " ".join(re.findall(r'(?:alt|aria-label)="([^"]*)"', page))
    body = re.sub(r"<(style|script)>.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body) + told).split())


def page_of(one: Verdict, *others: Verdict, lang: Any = "en", **more: Any) -> str:
    return feedback_page(one, course_of(LAB, RUBRIC, [one, *others], lang), **more)


def run(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


# What a student is told


def test_a_student_reads_what_lost_points_and_why() -> None:
    waiting = ["conv_size_floor", "conv_size_pairs", "conv_size_impossible"]
    one = verdict(wrong=["conv_size_formula", "lenet_output_shape"], waiting=waiting, accuracy=measured(420))
    told = text_of(page_of(one))
    assert f"{one.total} of 104 points" in told
    lost = told[told.index("What lost points") : told.index("Your network is right on")]
    # The most expensive first, each with what waited for it: 70 − 20.63, then 2 + 2 + 2 + 1, then 2.
    places = [lost.index(f"−{points} ") for points in ("49.37", "7", "2")]
    assert places == sorted(places)
    assert (
        "hint look at the last step −2 for this one, and −5 for those that could not be checked because of it"
        in lost
    )
    assert "expected (9, 10) got (9, 12)" in lost
    assert "420 of 1,000 test images: 42.0 %, which earns 20.63 of 70 points" in told
    assert "between 39.0 % and 45.1 % (95 % interval)" in told
    more = (
        "For the next point the network has to be right on 429 of 1,000 images: 0.90 percentage points more."
    )
    assert told.count(more) == 1
    assert "Most often confused: airplane taken for automobile" in told
    assert told.count("taken for ship") and "airplane, taken for automobile: test image 0" in told
    assert told.count(ANSWER) == 4 and "nobody has judged what you wrote" in told
    assert "lab8.py" in told and "net.pt" in told and "answers.md" in told
    assert "epoch 1: loss 1.234" in told


def test_a_page_needs_nothing_else() -> None:
    page = page_of(verdict())
    assert not re.findall(r"https?:|//|@import|<link|<script", re.sub(r'base64,[^"]*', "", page))
    assert re.search(r"default-src &#39;none&#39;|default-src 'none'", page)


@given(st.integers(0, 1000), st.sampled_from([1000]))
def test_the_next_point_costs_as_little_as_possible(correct: int, images: int) -> None:
    accuracy = measured(correct, images, mistakes=0)
    now = accuracy_points(RUBRIC, correct, images)
    more = next_points(RUBRIC, accuracy)
    if more is None:
        assert now == RUBRIC.accuracy.points
        return
    wanted = min(now + 1, RUBRIC.accuracy.points)
    assert accuracy_points(RUBRIC, correct + more.images, images) >= wanted
    assert accuracy_points(RUBRIC, correct + more.images - 1, images) < wanted
    assert more.is_whole == (wanted == now + 1)


def test_a_training_is_drawn_from_its_numbers_alone() -> None:
    history = {"loss": (2.0, float("nan"), 1.0, 0.5), "one": (1.0,), "<b>x</b>": (1e300, 2.0, 3.0)}
    training = Training(budget_seconds=60, pace=900, seed=8, seconds=31, history=history)
    page = page_of(verdict(training=training))
    assert "31 of 60 seconds" in text_of(page) and "loss, from 2 to 0.5" in text_of(page)
    assert "<b>" not in page.replace("<b>airplane", "") or "&lt;b&gt;" in page
    assert "nan" not in page.partition("</style>")[2].replace("finance", "")


def test_decisions_lateness_and_attempts_are_told_with_their_reasons(tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'time_zone = "Asia/Shanghai"\ndeadline = 2026-11-15T09:30:00\n[late]\neach = "day"\npoints = 5\n',
        "utf-8",
    )
    results = keep(
        tmp_path / "out", [evidence("pb1", number=0), evidence("pb1", number=9), evidence("pb2", "Bo Wu")]
    )
    assert run("rescore", results, "--policy", policy).exit_code == 0
    why = "the second half answers something else"
    assert run("adjust", results, "pb1", "question_2=0.5", "--why", why, "--by", "Ma Lin").exit_code == 0
    done = run("feedback", results)
    assert done.exit_code == 0 and f"2 pages of feedback: {results / 'feedback'}" in done.stdout
    told = text_of((results / "feedback" / "pb1.html").read_text("utf-8"))
    assert "The deduction for lateness is 10 points: it was handed in 24.1 hours after your deadline." in told
    assert "0.5 of 1 points: the second half answers something else (Ma Lin)" in told
    assert re.search(
        r"is 0.5 points \(Ma Lin, \d{4}-\d\d-\d\d\) : the second half answers something else", told
    )
    assert "A person has decided on points here" in told and "· attempt 2 " in told
    attempts = told[told.index("Attempts attempt") : told.index("Decisions")]
    assert attempts == "Attempts attempt handed in counts 1 2026-11-16 09:30:00 no 2 2026-11-16 09:39:00 yes "


def test_a_decision_that_is_not_on_points_is_told_as_such() -> None:
    made = Decision(made_at=MONDAY, by="Ma Lin", why="ill", student_id="pb1", kind="extend", until="1")
    for until, english, chinese in (
        ("1", "extended by 1 day (", "延期 1 天"),
        ("2 天", "extended by 2 days (", "延期 2 天"),
        ("2026-11-23", "extended to 2026-11-23 (", "延期至 2026-11-23"),
    ):
        decision = made.model_copy(update={"until": until})
        assert decision.line.startswith(english)
        told = text_of(page_of(verdict(), decisions=[decision]))
        assert english in told and "decided on points" not in told and "A decision of the course" in told
        assert chinese in text_of(page_of(verdict(), lang="zh", decisions=[decision]))


def test_the_excused_read_of_no_points() -> None:
    excused = verdict(wrong=["conv_size_formula"]).model_copy(update={"standing": "excused", "total": None})
    told = text_of(page_of(excused))
    assert "nothing counts against you" in told and "lost points" not in told and "of 70" not in told


# What a student is not told


def test_no_hidden_input_is_told() -> None:
    one = verdict(wrong=["conv_size_formula"])
    assert any("4711" in check.actual and "4711" in check.reason for check in one.checks)
    for lang in ("en", "zh"):
        page = page_of(one, lang=lang)
        assert "4711" not in page and "672" in page and "673" in page
    assert "4711" not in class_page([one], RUBRIC)


@pytest.mark.parametrize(
    "text, left",
    [
        ("conv_output_size((4, 5), 3) gave (2, 3)", "(2, 3)"),
        ("conv_parameter_count(3, 8, (5, 7), True) gave 'a) gave 3'", "3'"),
        ("conv_output_size(4, 5): expected 2, got 3", "expected 2, got 3"),
        ("ValueError: no", "ValueError: no"),
    ],
)
def test_a_value_is_told_without_its_call(text: str, left: str) -> None:
    assert without_inputs(text) == left


def test_flags_and_what_is_about_others_are_not_told() -> None:
    other = verdict("12210005", "Wu Fan")
    flag = Flag(kind="copy", message="the very file of 12210005", others=("12210005",))
    remarks = ["the same as Wu Fan's lab8.py", "net.pt was taken as the weights"]
    one = verdict(remarks=remarks, flags=(flag,), wrong=["conv_size_formula"])
    rows = tuple(
        row.model_copy(update={"decided": Decimal(1), "why": "copied from Wu Fan, 12210005"})
        if row.id == "conv_size_formula"
        else row
        for row in one.rows
    )
    one = one.model_copy(update={"rows": rows})
    told = text_of(page_of(one, other))
    assert "12210005" not in told and "Wu Fan" not in told and "very file" not in told
    assert "copied from …" in told and "net.pt was taken as the weights" in told


def test_why_somebody_was_excluded_is_not_told(tmp_path: Path) -> None:
    results = keep(tmp_path / "out", [evidence("pb1")])
    assert run("exclude", results, "pb1", "--why", "the roommate's work", "--by", "Ma Lin").exit_code == 0
    assert run("feedback", results).exit_code == 0
    told = text_of((results / "feedback" / "pb1.html").read_text("utf-8"))
    assert "No mark" in told and "excluded by a decision" in told and "roommate" not in told
    assert "Row by row" not in told and "lost points" not in told


@pytest.mark.parametrize("status", [Status.GRADER_ERROR, Status.QUARANTINED])
def test_without_a_mark_a_page_says_so_and_no_points(status: Status) -> None:
    found = evidence(wrong=["conv_size_formula"])
    problem = Problem(status=status, reason="not on the class list; the nearest there: pb7")
    broken = found.model_copy(update={"attempt": found.attempt.model_copy(update={"problem": problem})})
    if status is Status.GRADER_ERROR:
        broken = found.model_copy(update={"failure": "RuntimeError: /root/secret"})
    told = text_of(page_of(score(RUBRIC, broken)))
    assert "No mark yet" in told and "of 104" not in told and "points" not in told.replace("points by", "")
    assert "pb7" not in told and "secret" not in told
    assert ("not your fault" in told) == (status is Status.GRADER_ERROR)


def test_of_private_images_only_counts_are_told() -> None:
    private, public = measured(300, mistakes=0), measured(500)
    told = text_of(page_of(verdict(accuracy=private, public=public)))
    assert "On the public test images it is 50.0 %" in told and "never published" in told
    assert told.count("test image ") == len(public.mistakes)
    kept = text_of(page_of(verdict(accuracy=measured(300), public=measured(500, mistakes=0))))
    assert "test image " not in kept  # whatever the evidence holds


def test_evidence_from_before_leaves_out_what_it_lacks() -> None:
    old = measured(420).model_copy(update={"confusion": (), "mistakes": ()})
    told = text_of(page_of(verdict(accuracy=old, text="")))
    assert "was not measured yet" in told and "Confusion matrix" not in told
    assert told.count("text is not kept") == 4


# In all pages


def test_every_word_of_the_pages_has_its_chinese() -> None:
    said = set()
    for template in (REPORT / "templates").glob("*.html"):
        for words in re.findall(r"\bt\(((?:'[^']*')|(?:\"[^\"]*\"))", template.read_text("utf-8")):
            said.add(ast.literal_eval(words))
        said |= set(re.findall(r'"(taken as [^"]*)"', template.read_text("utf-8")))
    for module in REPORT.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "say":
                said |= {
                    n.value
                    for n in ast.walk(node.args[0])
                    if isinstance(n, ast.Constant) and n.value not in ("excuse", "exclude", "waive_late")
                }
    statuses = {status.value.replace("_", " ") for status in Status}
    assert said - CHINESE.keys() == set()
    assert CHINESE.keys() - said - statuses - {"points", "accuracy"} == set()
    for english, chinese in CHINESE.items():
        assert sorted(re.findall(r"\{\w+\}", english)) == sorted(re.findall(r"\{\w+\}", chinese))


def test_the_checks_have_the_lines_of_the_students_readme() -> None:
    readme = (ROOT / "assignment" / "README.zh.md").read_text("utf-8")
    assert {check.id for check in check_catalogue(LAB)} == TITLES.keys() - {"accuracy"}
    for title in TITLES.values():
        assert f"| {title} |" in readme


def test_a_chinese_page_is_chinese() -> None:
    one = verdict("pb22000018", "张伟", wrong=["conv_size_formula"])
    page = page_of(one, lang="zh")
    assert '<html lang="zh-CN">' in page
    assert "张伟" in page and "哪里失了分" in page and TITLES["accuracy"] in page
    assert RUBRIC.questions[0].text_zh in page and "What lost points" not in page


def test_the_largest_page_is_smaller_than_300_kb() -> None:
    history = {f"{'&' * 40}{n}": tuple(map(float, range(9999))) for n in range(50)}
    one = verdict(
        wrong=["conv_size_formula", "lenet_output_shape"],
        text="'<&" * 2667,
        log="<'\">" * 100_000,
        remarks=["'" * 500] * 50,
        training=Training(budget_seconds=60, pace=9, seed=8, history=history),
    )
    assert len(page_of(one).encode()) < 300_000


# The class


def test_the_class_page_counts_and_links(tmp_path: Path) -> None:
    students = a_class(30)
    students.append(
        verdict("名 字/..", "<i>Eve</i>").model_copy(
            update={"flags": (Flag(kind="claim", message="says 99 %"),)}
        )
    )
    page = class_page(students, RUBRIC, {"pb00003.html"})
    told = text_of(page)
    assert "31 students 31 graded" in told and 'href="feedback/pb00003.html"' in page
    assert 'href="feedback/pb00004.html"' not in page
    assert "21 (67.7 %)" in told  # two checks, each failed by ten students
    assert "10 × 672 (expected 673)" in told and "10 × (9, 12) (expected (9, 10))" in told
    assert "claim : says 99 %" in told and "<i>" not in page
    assert told.index("conv_size_formula") < told.index("conv_size_floor")


def test_the_class_page_counts_the_excused_as_such() -> None:
    away = verdict("pb9").model_copy(update={"standing": "excused", "total": None, "status": Status.ABSENT})
    told = text_of(class_page([verdict("pb1"), away], RUBRIC))
    assert "2 students 1 graded 1 excused" in told and "1 absent" not in told


def test_axes_of_points_are_round_and_end_in_the_drawing() -> None:
    for most, labels in (
        ("70", "0 10 20 30 40 50 60 70"),
        ("35", "0 5 10 15 20 25 30 35"),
        ("3", "0 0.5 1 1.5 2 2.5 3"),
    ):
        curve = RUBRIC.accuracy.model_copy(
            update={
                "points": Decimal(most),
                "knots": ((Decimal(10), Decimal(0)), (Decimal(90), Decimal(most))),
            }
        )
        right = histogram([50.0], 100, 5, curve)
        for ticks in (curve_chart(curve, None, Decimal(0)).frame.y_ticks, right.right_ticks):
            assert " ".join(tick.label for tick in ticks) == labels
        assert max(bar.x + bar.width for bar in right.bars) < right.frame.right < WIDTH - 30


def test_two_that_are_alike_stand_side_by_side_once() -> None:
    students = a_class(4)
    for at, other in ((0, 1), (1, 0)):
        flag = Flag(kind="copy", message="alike, of 1: weights 0.92", others=(students[other].student_id,))
        students[at] = students[at].model_copy(update={"flags": (flag,)})
    told = text_of(class_page(students, RUBRIC))
    assert "Similar submissions (1)" in told
    pairs = told[told.rindex("Similar submissions") : told.rindex("Slowest")]
    assert pairs.count("pb00000") == pairs.count("pb00001") == 1 and "0.92" in pairs


def test_the_class_page_is_made_only_when_something_changed(tmp_path: Path) -> None:
    page, students = tmp_path / "class.html", a_class(3)
    with pytest.MonkeyPatch.context() as patch:
        made = calls_of(patch, class_page_module, "class_page")
        for digest, count in (("a", 1), ("a", 1), ("b", 2), ("b", 2)):
            write_class_page(students, RUBRIC, tmp_path, digest)
            assert len(made) == count
        (tmp_path / "feedback").mkdir()
        (tmp_path / "feedback" / "pb00001.html").touch()
        write_class_page(students, RUBRIC, tmp_path, "b")
    assert 'href="feedback/pb00001.html"' in page.read_text("utf-8")


def test_a_thousand_students_fit_into_two_megabytes() -> None:
    log = "a line that says nothing much\n" * 100
    students = [
        v.model_copy(update={"log": log, "status": Status.CRASHED, "reason": "x" * 400})
        for v in a_class(1000)
    ]
    assert len(class_page(students, RUBRIC).encode()) < 2_000_000


def test_an_empty_class_has_a_page() -> None:
    assert "0 students" in text_of(class_page([], RUBRIC))


# The leaderboard


def test_chance_decides_no_place() -> None:
    students = [
        verdict(f"pb{n}", accuracy=measured(correct, mistakes=0))
        for n, correct in enumerate((900, 701, 700, 660, 610))
    ]
    assert [line.place for line in standings(students, {})] == [1, 2, 2, 2, 4]
    students.append(verdict("pb8", accuracy=measured(950)).model_copy(update={"standing": "excluded"}))
    assert len(standings(students, {})) == 5
    page = leaderboard_page(students, RUBRIC, {"pb0": "Fish"})
    assert "bars from 55 % to 95 %" in text_of(page) and text_of(page).count("unnamed") == 4
    bars = [(float(x), float(width)) for x, width in re.findall(r'"bar" x="([\d.]+)" width="([\d.]+)"', page)]
    assert len(bars) == 5 and all(width > 5 and x + width <= 100 for x, width in bars)


def test_the_leaderboard_names_nobody(tmp_path: Path) -> None:
    students = [verdict("pb11", "Ann Lee"), verdict("pb12", "Bo Wu")]
    page = leaderboard_page(students, RUBRIC, {"pb11": "<b>鱼</b>", "pb12": ""})
    assert "&lt;b&gt;鱼" in page and "<b>" not in page
    assert not any(name in page for name in ("pb11", "pb12", "Ann", "Wu"))


def test_the_held_out_images_decide_when_they_were_measured(tmp_path: Path) -> None:
    images, public = tmp_path / "held.npz", measured(800, mistakes=0)
    images.write_bytes(b"images")
    found = [
        evidence("pb1", accuracy=measured(300), public=public),
        evidence("pb2", accuracy=measured(600), public=measured(500)),
    ]
    results = keep(tmp_path / "out", found, {"private_digest": "another"})
    done = run("leaderboard", results, "--images", images)
    assert done.exit_code == 2 and "--private" in done.stderr and "\n" not in done.stderr.strip()
    digest = hashlib.sha256(b"images").hexdigest()
    results = keep(tmp_path / "out2", found, {"private_digest": digest})
    nicknames = tmp_path / "names.csv"
    nicknames.write_text("student,nickname\npb1,One\npb2,二\n", "utf-8")
    orders = {}
    for held in ([], ["--images", images]):
        assert run("leaderboard", results, "--nicknames", nicknames, *held).exit_code == 0
        told = text_of((results / "leaderboard.html").read_text("utf-8"))
        orders[bool(held)] = told.index("One") < told.index("二")
    assert orders == {False: True, True: False}


@pytest.mark.parametrize(
    "text, wrong",
    [
        ("", "the first line has to name the columns"),
        ("student,nickname\npb9,x\n", "line 2: pb9 is no student here"),
        ("student,nickname\npb1,x\npb1,y\n", "line 3: pb1 is there twice"),
        ("student,nickname\npb1,Fish\npb2,fish\n", "line 3: the nickname fish is taken in line 2"),
    ],
)
def test_a_wrong_list_of_nicknames_is_told(tmp_path: Path, text: str, wrong: str) -> None:
    results = keep(tmp_path / "out", [evidence("pb1"), evidence("pb2")])
    names = tmp_path / "names.csv"
    names.write_text(text, "utf-8")
    done = run("leaderboard", results, "--nicknames", names)
    assert done.exit_code == 2 and wrong in done.stderr and not (results / "leaderboard.html").exists()


# The commands


def test_feedback_of_some_and_of_nobody(tmp_path: Path) -> None:
    ids = ["pb1", "Pb1", "张伟", "../../etc", "con", "a;b <x>"]
    results = keep(tmp_path / "out", [evidence(id, number=n) for n, id in enumerate(ids)])
    assert run("feedback", results, "张伟").exit_code == 0
    assert [file.name for file in (results / "feedback").iterdir()] == ["张伟.html"]
    assert run("feedback", results).exit_code == 0
    names = {file.name.casefold() for file in (results / "feedback").iterdir()}
    assert len(names) == len(ids)
    assert {Path(name).stem for name in names} == {
        file.stem.casefold() for file in (results / "students").iterdir()
    }
    for name in ("gone.html", "gone.pdf", "notes.txt"):
        (results / "feedback" / name).touch()
    assert run("feedback", results, "张伟").exit_code == 0  # also deletes what is nobody's
    left = {file.name.casefold() for file in (results / "feedback").iterdir()}
    assert left == names | {"notes.txt"}
    done = run("feedback", results, "nobody")
    assert done.exit_code == 2 and "no such student" in done.stderr


def test_what_was_given_out_is_kept_once(tmp_path: Path) -> None:
    results = keep(tmp_path / "out", [evidence("pb1"), evidence("pb2")])
    for _ in range(2):
        assert run("feedback", results).exit_code == 0
    run("adjust", results, "pb2", "question_1=0", "--why", "empty", "--by", "Ma Lin")
    run("feedback", results)
    with Gradebook.open(results) as book:
        assert [(what, v.student_id) for _, what, v in book.published()] == [
            ("feedback", "pb1"), ("feedback", "pb2"), ("feedback", "pb2")
        ]  # fmt: skip
    assert "given out as feedback" in run("history", results, "pb2").stdout


def test_without_chromium_there_is_no_pdf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = keep(tmp_path / "out", [evidence("pb1")])
    monkeypatch.setattr(pdf, "find_chromium", lambda: None)
    done = run("feedback", results, "--pdf")
    assert done.exit_code == 2 and "--pdf: Chromium is not installed" in done.stderr
    assert not (results / "feedback").exists()


@pytest.mark.skipif(pdf.find_chromium() is None, reason="Chromium is not installed")
def test_a_pdf_has_the_whole_page(tmp_path: Path) -> None:
    import pypdf

    results = keep(tmp_path / "out", [evidence("pb1", wrong=["conv_size_formula"])])
    assert run("feedback", results, "--pdf").exit_code == 0
    with pypdf.PdfReader(results / "feedback" / "pb1.pdf") as reader:
        text = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    for words in (
        "What lost points",
        "look at the last step",
        "Most often confused",
        ANSWER[:30],
        "loss 1.234",
    ):
        assert words in text


# Measured for real


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Three students of the sample class, graded: wrong layers, nothing usable, weights that do not fit."""
    folder = tmp_path_factory.mktemp("graded")
    with zipfile.ZipFile(SAMPLE) as archive:
        for name in archive.namelist():
            if re.search(r"_(12210004|12210007|12210024)_", name):
                archive.extract(name, folder / "class")
    done = grader("grade", folder / "class", "--out", folder / "out", "--images", "mini", "--jobs", 2)
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stdout


def test_every_run_ends_with_the_class_page(graded: tuple[Path, str]) -> None:
    results, printed = graded
    assert printed.splitlines()[-1].split() == ["class", "page:", str(results / "class.html")]
    told = text_of((results / "class.html").read_text("utf-8"))
    assert "3 students 2 graded 1 not gradable" in told and "grader feedback RESULTS" in told
    assert run("feedback", results).exit_code == 0
    assert 'href="feedback/12210004.html"' in (results / "class.html").read_text("utf-8")


def test_what_a_network_confuses_is_measured(graded: tuple[Path, str]) -> None:
    found: dict[str, Evidence] = {}
    with Gradebook.open(graded[0]) as book:
        found = {id: several[-1].evidence for id, several in book.attempts().items()}
    part = found["12210004"].accuracy
    assert part and part.accuracy.correct and part.seconds and part.files == ("classifier.safetensors",)
    confusion, mistakes = part.accuracy.confusion, part.accuracy.mistakes
    assert sum(row[at] for at, row in enumerate(confusion)) == part.accuracy.correct
    assert [sum(row) for row in confusion] == [100] * 10
    assert len(mistakes) == 12 and all(one.label != one.answered for one in mistakes)
    probabilities = [one.probability for one in mistakes]
    assert probabilities == sorted(probabilities, reverse=True)
    assert found["12210007"].accuracy and not found["12210007"].accuracy.accuracy.confusion
    answers = found["12210004"].answers
    assert (
        answers and answers.files == ("answers.md",) and all(len(one.text) > 40 for one in answers.outcomes)
    )
    assert not any("Is it possible to use neural networks" in one.text for one in answers.outcomes)


def test_words_are_what_they_are_given() -> None:
    assert Words("en")("{points} of {out_of} points", points=1, out_of=2) == "1 of 2 points"
    assert Words("zh", LAB).label("cat") == "猫" and Words("zh", LAB).label("unknown") == "unknown"
    assert Outcome.PASSED.value == "passed"
