"""The desk as a web application, and the server that it runs in."""

from __future__ import annotations

import secrets
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from grader.desk.background import Files, Regrading
from grader.desk.guard import Guard
from grader.desk.marks_now import MarksNow, opened
from grader.desk.pages import Pages
from grader.errors import UserError

_HERE = Path(__file__).parent


def application(
    folder: Path, model_answers: str, token: str, port: int, say: Callable[[str], None]
) -> ASGIApp:
    """The desk on a results `folder`, for requests to this port that have the token."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        marks = MarksNow(folder)  # in the thread in which it is used
        pages.marks = marks
        pages.files = files = Files(folder, marks.set_copies)
        pages.regrading = regrading = Regrading(folder, files.touch)
        try:
            yield
        finally:
            await regrading.close()
            if files.are_due:
                say("writing the files …")
            await files.close()
            if files.are_due:
                why = files.trouble or "a run is at work, which writes them at its end"
                say(f"{folder}: the spreadsheets are not up to date: {why}")
            marks.book.close()

    async def nothing(request: Request) -> Response:
        return Response(status_code=204)

    pages = Pages(folder, model_answers, port)
    both = ["GET", "POST"]
    routes = [
        Route("/", pages.overview),
        Route("/who", pages.who, methods=both),
        Route("/progress", pages.progress),
        Route("/answers/{number:int}", pages.question),
        Route("/answers/{number:int}/{key}", pages.answer, methods=both),
        Route("/done/{number:int}", pages.done),
        Route("/flags", pages.flags),
        Route("/student/{key}", pages.student),
        Route("/student/{key}/decide", pages.decide, methods=["POST"]),
        Route("/student/{key}/history", pages.history),
        Route("/student/{key}/regrade", pages.regrade, methods=both),
        Route("/student/{key}/feedback", pages.feedback),
        Route("/undo", pages.undo, methods=["POST"]),
        Route("/files/{name}", pages.file),
        Route("/favicon.ico", nothing),
        Mount("/static", StaticFiles(directory=_HERE / "static")),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={HTTPException: pages.error, UserError: pages.error},
    )
    return Guard(app, token, port)


def listen(port: int) -> socket.socket:
    """A socket for this machine alone; port 0 is any free one. Raises `UserError`."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        made.listen()  # at once: whoever is faster than the server waits
    except (OSError, OverflowError) as error:
        made.close()
        why = getattr(error, "strerror", None) or error
        raise UserError(f"--port {port}: cannot be used ({why}): choose another, or none") from error
    return made


def serve(folder: Path, model_answers: str, port: int, say: Callable[[str], None]) -> None:
    """Run the desk until Ctrl-C. Raises `UserError`."""
    opened(folder).close()  # what is wrong is told before an address is
    token = secrets.token_urlsafe(32)
    with listen(port) as listening:
        port = listening.getsockname()[1]

        def told(line: str) -> None:
            with suppress(OSError):  # a terminal that is gone does not keep the desk from closing well
                say(line)

        app = application(folder, model_answers, token, port, told)
        server = uvicorn.Server(configuration(app))
        say(f"the marking desk: http://127.0.0.1:{port}/?token={token}")
        say("whoever has this address can decide on marks; Ctrl-C ends the desk")
        with suppress(KeyboardInterrupt):  # which uvicorn raises again when all is closed
            server.run(sockets=[listening])
        told("the desk is closed; all decisions are in the gradebook")


def configuration(app: ASGIApp) -> uvicorn.Config:
    """Plain HTTP, one process, no log of addresses, in which the token would stand."""
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
    )
