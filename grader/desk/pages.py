"""What the desk shows, and what its forms do."""

from __future__ import annotations

import getpass
import hashlib
import re
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote, unquote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response

from grader.decisions import decision, number_of_points
from grader.desk.background import Files, Regrading
from grader.desk.guard import cookie
from grader.desk.marks_now import Answer, MarksNow, Newer, most_points
from grader.errors import UserError
from grader.gradebook import is_at_work
from grader.marks import NO_COMMENT, history, holding
from grader.questions import assess_answers
from grader.rubric import Rubric
from grader.text import file_stem, safe_line, safe_text
from grader.types import Decision, Flag, Verdict

_MOST_BYTES = 64 * 1024  # of a form
_TEXT_CHARACTERS = 100_000
_WRAPPED = 70  # characters: a line as long as this goes on in the next one
_KINDS = ("adjust", "excuse", "exclude", "waive_late", "extend", "choose_attempt", "remove", "settle_flag")
_SHOWN = {"open": "to be marked", "answered": "answered", "all": "everybody's"}
_FILES = {
    "scores.xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "scores.csv": "text/csv; charset=utf-8",
}


class Line(NamedTuple):
    """A student in the class list."""

    key: str
    verdict: Verdict
    status: str
    to_mark: int
    flags: int
    row: Markup = Markup("")


class Button(NamedTuple):
    """Points that one key gives."""

    key: str
    points: str


def shown(value: object) -> object:
    """Every text on a page, with nothing left in it that acts or hides; Jinja2 escapes it next."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return value if value.isascii() and value.isprintable() else safe_text(value, _TEXT_CHARACTERS)


def environment() -> Environment:
    """The templates; they know no undefined names."""
    made = Environment(
        loader=PackageLoader("grader.desk"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["day"] = _day
    return made


def _day(value: datetime | str | None) -> str:
    return "" if value is None else str(value)[:16].replace("T", " ")


class Pages:
    """The handlers. All run in one thread, the gradebook's; none takes long."""

    marks: MarksNow  # these three are there while the server runs
    files: Files
    regrading: Regrading

    def __init__(self, folder: Path, model_answers: str, port: int) -> None:
        self.folder = folder
        self.model_answers = model_answers
        self.who_cookie = f"desk_who_{port}"
        self._templates = environment()
        self._lines: dict[str, tuple[Verdict, bool, Line]] = {}
        self._models: tuple[Rubric | None, list[str]] = (None, [])

    # What all pages share

    def _page(self, request: Request, name: str, status: int = 200, **context: Any) -> HTMLResponse:
        context |= {
            "folder": str(self.folder),
            "who": self._who(request),
            "questions": self.marks.run.rubric.questions,
        }
        return HTMLResponse(self._templates.get_template(name).render(context), status)

    def _who(self, request: Request) -> str:
        return safe_line(unquote(cookie(request.headers, self.who_cookie)), 100)

    def _by(self, request: Request) -> str:
        if name := self._who(request):
            return name
        raise UserError("nobody knows who you are: go to the class list, and give your name")

    def _verdict(self, request: Request) -> Verdict:
        student = self.marks.student(request.path_params["key"])
        verdict = self.marks.verdicts.get(student) if student is not None else None
        if verdict is None:
            raise HTTPException(404, "no such student is in these results")
        return verdict

    async def error(self, request: Request, error: Exception) -> Response:
        """A page for what a person can put right, or look for elsewhere."""
        status, told = 400, str(error)
        if isinstance(error, HTTPException):
            status, told = error.status_code, error.detail
            if told == "Not Found":
                told = "there is no such page: go to the class list"
        return self._page(request, "error.html", status, told=told, missing=status == 404)

    async def who(self, request: Request) -> Response:
        """Who marks here: asked once, kept in a cookie."""
        if request.method == "POST":
            name = safe_line((await _form(request)).get("who", ""), 100)
            if not name:
                raise UserError("a name is needed: it stands beside each decision")
            answer = RedirectResponse("/", 303)
            answer.set_cookie(self.who_cookie, quote(name), max_age=10**7, httponly=True, samesite="strict")
            return answer
        return self._page(request, "who.html", suggested=self._who(request) or _login_name())

    # The class

    async def overview(self, request: Request) -> Response:
        """The class list with filters."""
        if not self._who(request):
            return RedirectResponse("/who", 303)
        self.marks.look()
        asked = {name: request.query_params.get(name, "") for name in ("find", "status", "only")}
        lines = [self._listed(verdict) for verdict in self.marks.verdicts.values()]
        kept = [line for line in lines if _is_asked_for(line, asked)]
        counts = {number: self._counts(number) for number in range(1, self._most() + 1)}
        return self._page(
            request,
            "overview.html",
            kept=len(kept),
            rows=Markup("").join(line.row for line in kept),
            of=sum(line.status != "removed" for line in lines),
            statuses=sorted({line.status for line in lines}),
            asked=asked,
            counts=counts,
            open_flags=sum(line.flags for line in lines),
            looking=not self.files.have_looked,
            trouble=self.files.trouble,
            **self._work(),
        )

    def _listed(self, verdict: Verdict) -> Line:
        """The student's line with the markup of the row, which is kept until the mark is another."""
        unmeasured = verdict.student_id in self.marks.unmeasured
        known = self._lines.get(verdict.student_id)
        if known is None or known[0] is not verdict or known[1] != unmeasured:
            line = self._line(verdict)
            row = Markup(self._templates.get_template("row.html").render(line=line))
            known = verdict, unmeasured, line._replace(row=row)
            self._lines[verdict.student_id] = known
        return known[2]

    def _line(self, verdict: Verdict) -> Line:
        marks, student = self.marks, verdict.student_id
        status = verdict.status.value.replace("_", " ") if verdict.standing == "counts" else verdict.standing
        if student in marks.unmeasured and verdict.standing == "counts":
            status = "not measured yet"
        to_mark = marks.open_questions(verdict) + marks.needs_a_person(verdict)
        return Line(marks.key_of[student], verdict, status, to_mark, len(verdict.open_flags))

    def _counts(self, number: int) -> tuple[int, int]:
        answers = [one for one in self.marks.answers(number) if one.outcome.present]
        return sum(one.is_open for one in answers), len(answers)

    def _most(self) -> int:
        return len(self.marks.run.rubric.questions)

    def _work(self) -> dict[str, Any]:
        return {"at_work": is_at_work(self.folder), "progress": self.marks.progress, "run": self.marks.run}

    async def progress(self, request: Request) -> Response:
        """How far a run is, for the class list to look at again and again."""
        self.marks.look()
        return self._page(request, "progress.html", **self._work())

    # Answers

    async def question(self, request: Request) -> Response:
        """To the first answer to a question that is to be marked."""
        self.marks.look()
        number, view = self._number(request), _view(request.query_params.get("show"), request)
        return self._to_answer(request, number, view, after=None)

    def _number(self, request: Request) -> int:
        number: int = request.path_params["number"]
        if not 1 <= number <= self._most():
            raise HTTPException(404, f"there are {self._most()} questions")
        return number

    def _answers(self, number: int, view: dict[str, str]) -> list[Answer]:
        """In the order in which they are marked: by id, or shuffled, always alike, where that is hidden."""
        answers = self.marks.answers(number)
        if "blind" in view:
            answers.sort(key=lambda one: _shuffled(self.marks.key_of[one.student], number))
        return answers

    def _to_answer(
        self, request: Request, number: int, view: dict[str, str], after: str | None, saved: int = 0
    ) -> Response:
        """To the next answer after a student's that is asked for and on nobody else's screen.

        Those to be marked are gone through again from the first one; of others the last is the end.
        """
        answers, who = self._answers(number, view), self._who(request)
        at = next((at for at, one in enumerate(answers, 1) if one.student == after), 0)
        later = answers[at:] + (answers[:at] if view["show"] == "open" else [])
        wanted = [one for one in later if _is_shown(one, view["show"]) and one.student != after]
        free = [one for one in wanted if not self.marks.looked_at_by(number, one.student, who)]
        query = urlencode(view | ({"saved": str(saved)} if saved else {}))
        for one in free or wanted:
            if free:  # theirs from now on, not from when the page is there
                self.marks.look_at(number, one.student, who)
            return RedirectResponse(f"/answers/{number}/{self.marks.key_of[one.student]}?{query}", 303)
        return RedirectResponse(f"/done/{number}?{query}", 303)

    async def done(self, request: Request) -> Response:
        """Nothing is left to be marked of a question."""
        seen = self.marks.look()
        number, view = self._number(request), _view(request.query_params.get("show"), request)
        saved = self._saved(request)
        back = self._saved_page(number, saved, view)
        return self._page(request, "done.html", number=number, view=view, seen=seen, saved=saved, undo=back)

    async def answer(self, request: Request) -> Response:
        """One answer, to be marked; and what its form does."""
        if not self._who(request):
            return RedirectResponse("/who", 303)
        form = await _form(request) if request.method == "POST" else None
        seen = self.marks.look()
        number, verdict = self._number(request), self._verdict(request)
        if form is None:
            view = _view(request.query_params.get("show"), request)
            return self._answer_page(request, number, verdict, view, seen, {})
        view = _view(form.get("show"), form.get("blind"))
        id = self.marks.run.rubric.questions[number - 1].id
        typed = {"points": form.get("points", ""), "comment": form.get("comment", "")}
        why = typed["comment"].strip() or NO_COMMENT
        try:
            points = number_of_points(typed["points"])
            more = {"by": self._by(request), "why": why}
            made = decision(verdict.student_id, "adjust", **more, row=id, points=points)
            kept = self._decide(made, form)
        except Newer as newer:
            told: dict[str, Any] = {"newer": newer.decisions, **typed}
            seen = self.marks.look()
            return self._answer_page(request, number, self._verdict(request), view, seen, told, 409)
        except UserError as error:
            told = {"error": str(error), **typed}
            return self._answer_page(request, number, verdict, view, seen, told, 400)
        return self._to_answer(request, number, view, after=verdict.student_id, saved=kept.number)

    def _answer_page(
        self,
        request: Request,
        number: int,
        verdict: Verdict,
        view: dict[str, str],
        seen: int,
        told: dict[str, Any],
        status: int = 200,
    ) -> HTMLResponse:
        answer = self.marks.answer(number, verdict)
        if answer is None:
            raise HTTPException(404, f"this student has no answer to question {number}")
        answers = self._answers(number, view)
        listed = [one for one in answers if _is_shown(one, view["show"]) or one.student == answer.student]
        at = next((at for at, one in enumerate(listed) if one.student == answer.student), 0)
        who = self._who(request)
        also = self.marks.looked_at_by(number, answer.student, who)
        if not also:
            self.marks.look_at(number, answer.student, who)

        def link(place: int) -> str:
            if not 0 <= place < len(listed):
                return ""
            return f"/answers/{number}/{self.marks.key_of[listed[place].student]}?{urlencode(view)}"

        question = self.marks.run.rubric.questions[number - 1]
        return self._page(
            request,
            "answer.html",
            status,
            number=number,
            question=question,
            verdict=verdict,
            answer=answer,
            view=view,
            shown=_SHOWN,
            at=at + 1,
            of=len(listed),
            back=link(at - 1),
            on=link(at + 1),
            left=sum(one.is_open for one in answers),
            model=self._model_answer(number),
            buttons=_buttons(question.points),
            seen=seen,
            told={"error": "", "newer": (), "points": "", "comment": ""} | told,
            also=also,
            key=self.marks.key_of[verdict.student_id],
            saved=(saved := self._saved(request)),
            undo=self._saved_page(number, saved, view),
        )

    def _saved_page(self, number: int, saved: Decision | None, view: dict[str, str]) -> str:
        """Where an answer can be marked again once what was saved is undone."""
        key = self.marks.key_of.get(saved.student_id, "") if saved else ""
        return f"/answers/{number}{key and '/' + key}?{urlencode(view)}"

    def _model_answer(self, number: int) -> str:
        """The section of the model answers under this question's heading."""
        rubric = self.marks.run.rubric
        if self._models[0] is not rubric:
            found = assess_answers([self.model_answers], rubric.wordings)
            self._models = rubric, [_unwrapped(one.text) for one in found]
        return self._models[1][number - 1]

    def _saved(self, request: Request) -> Decision | None:
        """What was decided a moment ago, to be seen and undone."""
        asked = request.query_params.get("saved", "")
        number = int(asked) if asked.isdecimal() and len(asked) < 18 else 0
        return self.marks.book.decision(number) if number else None

    def _decide(self, made: Decision, form: dict[str, str]) -> Decision:
        seen = form.get("seen", "")
        if not (seen.isdecimal() and len(seen) < 18):
            raise UserError("this form is not whole: load the page again")
        kept = self.marks.decide(made, int(seen))
        self.marks.look()
        self.files.touch()
        return kept

    async def undo(self, request: Request) -> Response:
        """A decision no longer holds."""
        self.marks.look()
        form = await _form(request)
        number = form.get("number", "")
        known = self.marks.book.decision(int(number)) if number.isdecimal() and len(number) < 18 else None
        if known is None:
            raise UserError("there is no such decision")
        why = form.get("why", "").strip() or "taken back at the desk"
        made = decision(known.student_id, "undo", by=self._by(request), why=why, undoes=known.number)
        try:
            kept = self._decide(made, form)
        except Newer as newer:
            return self._conflict(request, made, newer, form, "/undo")
        back = _own_page(form.get("back", "/"))
        return RedirectResponse(f"{back}{'&' if '?' in back else '?'}saved={kept.number}", 303)

    # One student

    async def student(self, request: Request) -> Response:
        """All that is known of a student's mark."""
        if not self._who(request):
            return RedirectResponse("/who", 303)
        seen = self.marks.look()
        return self._student_page(request, self._verdict(request), seen)

    def _student_page(
        self, request: Request, verdict: Verdict, seen: int, error: str = "", status: int = 200
    ) -> HTMLResponse:
        marks, student = self.marks, verdict.student_id
        held = holding(marks.book.decisions(student).get(student, ()))
        attempts = marks.book.attempts(student=student).get(student, [])
        source = marks.source(attempts)
        ids = list(marks.verdicts)
        at = ids.index(student)
        return self._page(
            request,
            "student.html",
            status,
            verdict=verdict,
            line=self._line(verdict),
            key=marks.key_of[student],
            back=marks.key_of[ids[at - 1]] if at else "",
            on=marks.key_of[ids[at + 1]] if at + 1 < len(ids) else "",
            attempts=[one.evidence.attempt for one in attempts],
            checks={check.id: check for check in verdict.checks},
            answers=marks.answers_of(verdict),
            held=held.numbers,
            most=most_points(verdict),
            settled=verdict.settled,
            row=request.query_params.get("row", ""),
            source=source.source if source else "",
            source_is_there=source is not None and Path(source.source).exists(),
            feedback=self._feedback(student) is not None,
            seen=seen,
            error=error,
            saved=self._saved(request),
            at_work=is_at_work(self.folder),
        )

    async def decide(self, request: Request) -> Response:
        """What a form on a student's page decides."""
        form = await _form(request)
        seen = self.marks.look()
        verdict = self._verdict(request)
        try:
            made = self._from_form(request, verdict, form)
            kept = self._decide(made, form)
        except Newer as newer:
            return self._conflict(request, made, newer, form, request.url.path)
        except UserError as error:
            return self._student_page(request, verdict, seen, str(error), 400)
        to = form.get("back") or f"/student/{self.marks.key_of[verdict.student_id]}"
        return RedirectResponse(f"{_own_page(to)}?saved={kept.number}", 303)

    def _from_form(self, request: Request, verdict: Verdict, form: dict[str, str]) -> Decision:
        kind, more = form.get("kind", ""), dict[str, Any]()
        if kind not in _KINDS:
            raise UserError("this form is not whole: load the page again")
        if not (why := form.get("why", "").strip()):
            raise UserError("say why: it stands beside the decision")
        if kind == "adjust":
            more = {"row": form.get("row", ""), "points": number_of_points(form.get("points", ""))}
        elif kind != "exclude" and form.get("points", "").strip():
            raise UserError("a mark is for the excluded alone: leave it empty, or choose excluded")
        elif kind == "exclude" and form.get("points", "").strip():
            more = {"points": number_of_points(form["points"])}
        elif kind == "extend":
            more = {"until": safe_line(form.get("until", ""), 100)}
        elif kind == "choose_attempt":
            more = {"digest": form.get("digest", "")}
        elif kind == "settle_flag":
            flag = next((one for one in verdict.flags if one.digest == form.get("digest")), None)
            if flag is None:
                raise UserError("this flag is not there any more: look at those that are")
            more = {"row": flag.kind, "digest": flag.digest}
        return decision(verdict.student_id, kind, by=self._by(request), why=why, **more)

    def _conflict(
        self, request: Request, made: Decision, newer: Newer, form: dict[str, str], action: str
    ) -> HTMLResponse:
        """Somebody else was faster: what they decided, and whether this is to hold all the same."""
        key = self.marks.key_of.get(made.student_id, "")
        fields = {name: value for name, value in form.items() if name != "seen"}
        return self._page(
            request,
            "conflict.html",
            409,
            made=made,
            newer=newer.decisions,
            fields=fields,
            seen=self.marks.look(),
            action=action,
            key=key,
        )

    async def history(self, request: Request) -> Response:
        """Every mark that a student had."""
        self.marks.look()
        verdict = self._verdict(request)
        student = verdict.student_id
        book = self.marks.book
        moments = [(at, _told(one), what) for at, one, what in history(book, student)]
        given = [(at, _told(one), f"given out as {what}") for at, what, one in book.published(student)]
        return self._page(
            request,
            "history.html",
            verdict=verdict,
            key=self.marks.key_of[student],
            moments=sorted(moments + given),
        )

    async def flags(self, request: Request) -> Response:
        """All flags, those first that nobody has settled."""
        seen = self.marks.look()
        found: list[tuple[str, Verdict, Flag, str]] = []
        for verdict in self.marks.in_class():
            for flag in verdict.flags:
                word = verdict.settled.get(flag.digest, "")
                found.append((self.marks.key_of[verdict.student_id], verdict, flag, word))
        return self._page(
            request,
            "flags.html",
            found=sorted(found, key=lambda one: bool(one[3])),
            seen=seen,
            saved=self._saved(request),
            looking=not self.files.have_looked,
        )

    async def regrade(self, request: Request) -> Response:
        """Grade one student again, and what that prints."""
        self.marks.look()
        verdict = self._verdict(request)
        if request.method == "POST":
            await _form(request)
            student = verdict.student_id
            run = self.marks.source(self.marks.book.attempts(student=student).get(student, []))
            if run is None:
                raise UserError(f"{student}: was in no download: there is nothing to grade")
            await self.regrading.start(student, run)
            return RedirectResponse(request.url.path, 303)
        of_this = self.regrading.student == verdict.student_id
        name = "regrade_output.html" if "part" in request.query_params else "regrade.html"
        return self._page(
            request,
            name,
            verdict=verdict,
            line=self._line(verdict),
            key=self.marks.key_of[verdict.student_id],
            regrading=self.regrading if of_this else None,
        )

    # Files

    async def file(self, request: Request) -> Response:
        """A spreadsheet, written anew before if that is due."""
        name = request.path_params["name"]
        if name not in _FILES:
            raise HTTPException(404, "there is no such file")
        await self.files.write()
        if not (self.folder / name).is_file():
            raise HTTPException(404, f"{name} is not written yet: it is when the run has ended")
        return FileResponse(self.folder / name, media_type=_FILES[name], filename=name)

    async def feedback(self, request: Request) -> Response:
        """A student's feedback page, where one was made; no script of it runs here."""
        path = self._feedback(self._verdict(request).student_id)
        if path is None:
            raise HTTPException(404, "no feedback page was made")
        policy = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:"
        return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": policy})

    def _feedback(self, student: str) -> Path | None:
        path = self.folder / "feedback" / f"{file_stem(student)}.html"
        return path if path.is_file() else None


async def _form(request: Request) -> dict[str, str]:
    """The fields of a form. Raises `UserError`."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
        raise UserError("this is not one of the desk's forms")
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise UserError("this is too long: shorten the comment")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=50))
    except ValueError as error:
        raise UserError("this is not one of the desk's forms") from error


def _unwrapped(text: str) -> str:
    """A file's text without the question that it quotes; lines that an editor wrapped are joined again."""
    kept = ""
    for line in text.splitlines():
        if not line.lstrip().startswith(">"):
            kept += line + (" " if len(line) >= _WRAPPED else "\n")
    return kept.strip()


def _own_page(address: str) -> str:
    """The address, if it is a page of the desk; else the class list's."""
    return address if re.fullmatch(r"/[\w/?=&-]*", address, re.ASCII) and address[:2] != "//" else "/"


def _view(show: str | None, blind: Request | str | None) -> dict[str, str]:
    """Which answers are looked at, and whether names are hidden, for the next address."""
    if isinstance(blind, Request):
        blind = blind.query_params.get("blind")
    return {"show": show if show in _SHOWN else "open"} | ({"blind": "1"} if blind else {})


def _is_shown(answer: Answer, show: str) -> bool:
    return show == "all" or (answer.is_open if show == "open" else answer.outcome.present)


def _shuffled(key: str, number: int) -> str:
    """By which the order is another for each question, and always the same."""
    return hashlib.sha256(f"{key} {number}".encode()).hexdigest()


def _buttons(most: Decimal) -> list[Button]:
    """Whole points by their digit, and the half by `h` where there is one."""
    found = [Button(str(n), str(n)) for n in range(min(int(most), 9) + 1)]
    return found + ([Button("h", "0.5")] if most >= 1 else [])


def _is_asked_for(line: Line, asked: dict[str, str]) -> bool:
    verdict = line.verdict
    if asked["status"]:
        if line.status != asked["status"]:
            return False
    elif line.status == "removed":
        return False
    wanted = {"to_mark": line.to_mark, "flags": line.flags, "decided": verdict.decisions}
    if asked["only"] and not wanted.get(asked["only"], True):
        return False
    text = f"{verdict.student_id}\n{verdict.name}\n{verdict.section}".casefold()
    return asked["find"].strip().casefold() in text


def _told(verdict: Verdict) -> str:
    told = "no mark" if verdict.total is None else f"{verdict.total} of {verdict.out_of}"
    return told if verdict.standing == "counts" else f"{verdict.standing}, {told}"


def _login_name() -> str:
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return ""
    return "" if name == "root" else name
