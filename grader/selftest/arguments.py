"""The self-test's command line. Its help and its complaints are in the student's language."""

from __future__ import annotations

import argparse
import locale
import os
from collections.abc import Sequence
from typing import NoReturn

from grader.lab import Lab
from grader.selftest.chinese import Translator

_USAGE = "selftest.py [task ...] [--score] [--pack] [--language en|zh]"
_HELP = {
    "en": """\
usage: {usage}

Looks at your {title} as the grader does.

  task            only these: {tasks}
  --score         also measure the {measured}, and count the points
  --pack          also make {module}.zip, the file to hand in
  --language      the language of the messages, en or zh
  -h, --help      show this text
""",
    "zh": """\
用法：{usage}

像评分程序那样检查你的{title}。

  task            只检查这些任务：{tasks}
  --score         另外测量{measured}，并计算得分
  --pack          另外生成 {module}.zip，也就是要提交的文件
  --language      显示的语言：en 为英文，zh 为中文
  -h, --help      显示本说明
""",
}


class _Parser(argparse.ArgumentParser):
    def __init__(self, lab: Lab, tasks: Sequence[str], chinese: Translator) -> None:
        super().__init__(prog="selftest.py")
        self.language = _language()
        self._lab, self._tasks, self._chinese = lab, tasks, chinese

    def format_help(self) -> str:
        is_chinese = self.language == "zh"
        return _HELP[self.language].format(
            usage=_USAGE,
            title=self._lab.title_zh if is_chinese else self._lab.title,
            tasks=("、" if is_chinese else ", ").join(self._tasks),
            measured=self._chinese(self._lab.measured) if is_chinese else self._lab.measured,
            module=self._lab.contract.module,
        )

    def error(self, message: str) -> NoReturn:
        usage = self.format_help().partition("\n")[0]
        told = self._chinese(message) if self.language == "zh" else message
        self.exit(2, f"{usage}\nselftest.py: {told}\n")


def arguments(lab: Lab, tasks: Sequence[str], chinese: Translator) -> argparse.Namespace:
    """`tasks`, `score`, `pack` and `language`, as the command line says; ends the program if it cannot be.

    `tasks` are those that there are.
    """
    parser = _Parser(lab, tasks, chinese)
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--score", action="store_true")
    parser.add_argument("--pack", action="store_true")
    parser.add_argument("--language", choices=tuple(_HELP), default=parser.language)
    words = parser.parse_args()
    if unknown := set(words.tasks) - {*tasks}:
        parser.error(f"there is no task {', '.join(sorted(unknown))}: choose from {', '.join(tasks)}")
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
