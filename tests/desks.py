"""Classes for the marking desk, and a desk that runs in a thread of the test's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
import uvicorn
from test_gradebook import RULES, found, handed_in, run

from grader.desk.app import application, configuration, listen
from grader.desk.background import Files
from grader.gradebook import Gradebook
from grader.questions import assess_answers
from grader.types import Evidence, Flag, Submission

TOKEN = "a-token-of-the-tests"
QUESTIONS = RULES[0].wordings
SAID = (
    "Clusters come from k-means on the features of an autoencoder, which has to reproduce its own input.",
    "They are good where there are many examples, and where new data are like those that were learnt from.",
    "They fail without warning on inputs that are unlike the training data, and nobody can read the weights.",
    "Knowledge of the data goes into the layers: convolutions share their weights wherever an object stands.",
)


def answers(who: str, *, missing: Sequence[int] = ()) -> str:
    """An answers.md, in which every answer names its author."""
    return "\n\n".join(
        f"## Question {n}\n\n{'' if n in missing else f'This is by {who}. {said}'}"
        for n, said in enumerate(SAID, 1)
    )


def measured(work: Submission, text: str, flags: Sequence[Flag] = (), **more: object) -> Evidence:
    """Evidence with answers whose texts are kept, and with flags."""
    evidence = found(work, **more)  # type: ignore[arg-type]
    assert evidence.answers and evidence.accuracy
    parts = {
        "answers": evidence.answers.model_copy(update={"outcomes": assess_answers([text], QUESTIONS)}),
        "accuracy": evidence.accuracy.model_copy(update={"flags": tuple(flags)}),
    }
    return evidence.model_copy(update=parts)


def fill(folder: Path, ids: Sequence[str], source: str = "download.zip") -> None:
    """A results folder in which these are graded; the second has a flag, the third misses an answer."""
    works = [handed_in(id) for id in ids]
    flag = Flag(kind="claim", message="the notebook says 91 %, the weights give 60.00 %")
    with Gradebook.open_to_grade(folder) as book:
        seen = run(book, *works, source=source)
        for at, work in enumerate(works):
            text = answers(work.student_id, missing=(2,) if at == 2 else ())
            flags = [flag] if at == 1 else []
            failed = ("conv_size_floor",) if at == 3 else ()
            book.record(seen[at], measured(work, text, flags, correct=900 - at % 700, failed=failed))


class Desk(NamedTuple):
    """A desk that is running."""

    folder: Path
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/?token={TOKEN}"


@contextmanager
def running(folder: Path, model_answers: str = "", *, writes: bool = False) -> Iterator[Desk]:
    """A desk on a results folder; without `writes` it leaves the files alone, which take seconds."""
    with listen(0) as listening, pytest.MonkeyPatch.context() as patch:
        patch.setattr(Files, "write", _WRITE if writes else _nothing)
        port = listening.getsockname()[1]
        server = uvicorn.Server(configuration(application(folder, model_answers, TOKEN, port, print)))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the desk did not start"
                time.sleep(0.01)
            yield Desk(folder, port)
        finally:
            server.should_exit = True
            thread.join()


_WRITE = Files.write


async def _nothing(files: Files) -> None:
    pass


class Answer(NamedTuple):
    """What the desk answered."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def to(self) -> str:
        return self.headers["location"]


class Browser:
    """The requests that a browser makes, without one."""

    def __init__(self, port: int, who: str = "Ann", token: str = TOKEN) -> None:
        self.port = port
        self.cookies = f"desk_{port}={token}; desk_who_{port}={who}"

    def get(self, path: str, **headers: str) -> Answer:
        return self._ask("GET", path, None, headers)

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        return self._ask("POST", path, urlencode(fields), headers)

    def _ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Cookie": self.cookies}
        if body is not None:
            sent |= {
                "Origin": f"http://127.0.0.1:{self.port}",
                "Content-Type": "application/x-www-form-urlencoded",
            }
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, sent | headers)
            answer: HTTPResponse = connection.getresponse()
            text = answer.read().decode(errors="replace")
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, text)
        finally:
            connection.close()
