"""The self-test's command line. Its help and its complaints are in the student's language."""

from __future__ import annotations

import argparse
import locale
import os
from typing import NoReturn

from grader.selftest.checks import TASKS
from grader.selftest.chinese import chinese

_USAGE = "selftest.py [task ...] [--score] [--pack] [--language en|zh]"
_HELP = {
    "en": f"""\
usage: {_USAGE}

Looks at your lab 8 as the grader does.

  task            only these: {", ".join(TASKS)}
  --score         also measure the accuracy, and count the points
  --pack          also make lab8.zip, the file to hand in
  --language      the language of the messages, en or zh
  -h, --help      show this text
""",
    "zh": f"""\
用法：{_USAGE}

像评分程序那样检查你的实验 8。

  task            只检查这些任务：{"、".join(TASKS)}
  --score         另外测量准确率，并计算得分
  --pack          另外生成 lab8.zip，也就是要提交的文件
  --language      显示的语言：en 为英文，zh 为中文
  -h, --help      显示本说明
""",
}


class _Parser(argparse.ArgumentParser):
    def __init__(self, language: str) -> None:
        super().__init__(prog="selftest.py")
        self.language = language

    def format_help(self) -> str:
        return _HELP[self.language]

    def error(self, message: str) -> NoReturn:
        usage = _HELP[self.language].partition("\n")[0]
        told = chinese(message) if self.language == "zh" else message
        self.exit(2, f"{usage}\nselftest.py: {told}\n")


def arguments() -> argparse.Namespace:
    """`tasks`, `score`, `pack` and `language`, as the command line says; ends the program if it cannot be."""
    parser = _Parser(_language())
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--score", action="store_true")
    parser.add_argument("--pack", action="store_true")
    parser.add_argument("--language", choices=tuple(_HELP), default=parser.language)
    words = parser.parse_args()
    if unknown := set(words.tasks) - {*TASKS}:
        parser.error(f"there is no task {', '.join(sorted(unknown))}: choose from {', '.join(TASKS)}")
    if words.tasks and (words.score or words.pack):
        parser.error("--score and --pack look at all tasks: leave the others out")
    return words


def _language() -> str:
    """The language that the command line asks for, else the computer's."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--language", nargs="?")
    asked = parser.parse_known_args()[0].language
    if asked in _HELP:
        return str(asked)
    named = [os.environ.get(name, "") for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")]
    first = next(filter(None, named), "") or locale.getlocale()[0] or ""
    return "zh" if first.lower().startswith(("zh", "chinese")) else "en"
