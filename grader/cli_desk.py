"""The command `grader desk`."""

from __future__ import annotations

from pathlib import Path

import click

from grader.cli_marks import results_argument
from grader.errors import UserError

_MODEL_ANSWERS = Path("solution", "answers.md")
_MOST_BYTES = 1 << 20


@click.command()
@results_argument
@click.option(
    "--answers",
    type=click.Path(path_type=Path),
    help=f"Model answers, to be shown beside the students'.  [default: {_MODEL_ANSWERS}, if there is one]",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="On 127.0.0.1.  [default: a free one]")
def desk(results: Path, answers: Path | None, port: int) -> None:
    """Mark in the browser: answers, corrections, flags, with everything that is known of a student.

    The page is on this machine alone, and needs the address that is printed. It works while `grader grade`
    runs on the same RESULTS. Needs `pip install 'convnet-lab-grader[desk]'`.
    """
    try:
        from grader.desk.app import serve
    except ImportError as error:
        raise UserError(
            f"the marking desk needs {error.name}, which is not installed: pip install"
            " 'convnet-lab-grader[desk]'"
        ) from error
    serve(results, _model_answers(answers), port, click.echo)


def _model_answers(file: Path | None) -> str:
    """Their text; empty where there are none. Raises `UserError`."""
    if file is None and not _MODEL_ANSWERS.is_file():
        return ""
    path = file or _MODEL_ANSWERS
    try:
        with path.open(encoding="utf-8") as opened:
            return opened.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        raise UserError(f"--answers {path}: cannot be read: give a text in UTF-8, like answers.md") from error
