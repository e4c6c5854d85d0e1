"""Looks at your lab 8 as the grader does.

    python selftest.py                   all of it
    python selftest.py conv              one task: conv, lenet, classifier, train, weights or answers
    python selftest.py --score           also the accuracy, and the points that it is worth
    python selftest.py --pack            also makes lab8.zip, the file to hand in
    python selftest.py --language zh     用中文显示

The work is done by selftest.pyz, which holds the parts of the grader that read and run your files. The
grader asks more, and with other numbers.
"""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = HERE / "selftest.pyz"

if __name__ == "__main__":
    if sys.version_info < (3, 10):  # noqa: UP036 (this is where it is told)
        sys.exit("this needs Python 3.10 or newer\n需要 Python 3.10 或更新的版本")
    if not PARTS.is_file():
        sys.exit(
            "selftest.pyz is not beside selftest.py: copy it from the assignment\n"
            "selftest.py 旁边没有 selftest.pyz：请从作业文件中复制过来"
        )
    sys.path[0] = str(PARTS)  # and not your folder, where a file may be called like a package
    try:
        from grader.selftest.run import main
    except ModuleNotFoundError as error:
        fix = "python -m pip install -r requirements.txt"
        sys.exit(f"the package {error.name} is missing: {fix}\n缺少软件包 {error.name}：{fix}")
    sys.exit(main(HERE, Path(__file__).resolve()))
