"""Which of a student's files count."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save as to_safetensors

from grader.intake import limits
from grader.intake.entries import Allowance, Entry
from grader.intake.pick import find_answers, find_code, find_weights
from grader.lab import load_lab
from grader.questions import BREAK

CONTRACT = load_lab().contract.functions
TEMPLATE = "".join(f"def {name}(x):\n    raise NotImplementedError('{name}')\n\n" for name in CONTRACT)
WORK = "".join(f"def {name}(x):\n    return x\n\n" for name in CONTRACT)
HALF = TEMPLATE.replace("raise NotImplementedError", "print", 3)
ANSWERS = "## Question 1\nYes.\n\n## Question 2\nOften.\n"


def files(contents: Mapping[str, str | bytes]) -> list[Entry]:
    def entry(path: str, content: str | bytes) -> Entry:
        raw = content.encode() if isinstance(content, str) else content
        return Entry(path, len(raw), len(raw), opener=lambda: io.BytesIO(raw))

    return [entry(path, content) for path, content in sorted(contents.items())]


def notebook(code: str, *markdown: str) -> str:
    cells = [{"cell_type": "markdown", "source": text} for text in markdown]
    return json.dumps({"nbformat": 4, "cells": [*cells, {"cell_type": "code", "source": code}]})


def torch_bytes(legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    torch.save({"w": torch.ones(3)}, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


SAFETENSORS = to_safetensors({"w": torch.ones(3)})


MISSPELT = TEMPLATE.replace(
    f"def {CONTRACT[0]}(x):\n    raise NotImplementedError", f"def {CONTRACT[0]}s(x):\n    print"
)

# --- code ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contents", "chosen"),
    [
        ({"lab8.py": WORK}, "lab8.py"),
        ({"lab8.ipynb": notebook(WORK)}, "lab8.ipynb"),
        ({"lab8.py": MISSPELT, "lab8.ipynb": notebook(TEMPLATE)}, "lab8.py"),
        ({"lab8.py": TEMPLATE, "lab8.ipynb": notebook(MISSPELT)}, "lab8.ipynb"),
        ({"lab8.py": HALF, "lab8.ipynb": notebook(MISSPELT)}, "lab8.py"),
        ({"lab8-1.py": WORK}, "lab8-1.py"),
        ({"Lab8 (1).ipynb": notebook(WORK)}, "Lab8 (1).ipynb"),
        ({"a/b/lab8.py": WORK}, "lab8.py"),
        ({"LAB8.PY": WORK}, "LAB8.py"),
        ({"main.py": WORK}, "main.py"),
        ({"实验八.py": WORK}, "实验八.py"),
        ({"lab8.py.txt": WORK}, "lab8.py.txt.py"),
        ({"lab8": WORK}, "lab8.py"),
        ({"lab8.ipynb.txt": notebook(WORK)}, "lab8.ipynb.txt.ipynb"),
        ({"lab8.ipynb": WORK}, "lab8.py"),
        ({"lab8.py": notebook(WORK)}, "lab8.ipynb"),
        ({"lab8.py": WORK, "selftest.py": WORK, "SelfTest (1).py": WORK, "README.md": "lab8"}, "lab8.py"),
        ({"lab8.py": TEMPLATE, "lab8.ipynb": notebook(WORK)}, "lab8.ipynb"),
        ({"lab8.py": WORK, "lab8.ipynb": notebook(TEMPLATE)}, "lab8.py"),
        ({"lab8.py": WORK, "lab8.ipynb": notebook(WORK)}, "lab8.py"),
        ({"lab8.py": HALF, "lab8-1.py": WORK}, "lab8-1.py"),
        ({"lab8.py": WORK, "lab8-1.py": WORK}, "lab8.py"),
        ({"lab8-1.py": WORK, "main.py": WORK}, "lab8-1.py"),
        ({"lab18.py": TEMPLATE, "lab_8.py": TEMPLATE}, "lab_8.py"),
        ({"lab8.py": "import x\n", "main.py": WORK}, "main.py"),
        ({"lab8.py": "import x\nlenet5()\nclassifier == 1\n", "utils.py": "x = 1\n"}, "lab8.py"),
        ({"old/lab8.py": WORK + "# old\n", "lab8.py": WORK}, "lab8.py"),
        ({"lab8.py": "", "lab8.ipynb": notebook(TEMPLATE)}, "lab8.ipynb"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_the_code_is_found(contents: dict[str, str | bytes], chosen: str) -> None:
    found = find_code(files(contents))
    assert found.code and found.code.filename == chosen
    candidates = [name for name in contents if name.lower().endswith((".py", ".ipynb")) and "elf" not in name]
    plain = len(candidates) == 1 and Path(candidates[0]).name.lower() in ("lab8.py", "lab8.ipynb")
    assert bool(found.remarks) != plain


def test_the_choice_does_not_hang_on_the_files_order() -> None:
    contents: dict[str, str | bytes] = {
        "b/main.py": WORK,
        "a/main.py": WORK + "#",
        "c/x.ipynb": notebook(WORK),
    }
    forward, backward = find_code(files(contents)), find_code(files(contents)[::-1])
    assert forward.code == backward.code and forward.code and forward.code.cells == (WORK + "#",)


def test_what_is_left_aside_is_named_with_the_reason() -> None:
    found = find_code(files({"lab8.py": HALF, "lab8.ipynb": notebook(WORK)}))
    assert found.remarks == (
        "lab8.ipynb was taken as the code (6 of 6 functions filled in); left aside: lab8.py",
    )


@pytest.mark.parametrize(
    "contents",
    [
        {},
        {"selftest.py": WORK},
        {"report.docx": b"PK\x03\x04"},
        {"notes.txt": "def lenet5(): in words"},
        {"lab8.py": ""},
        {"lab8.ipynb": "{ broken"},
        {"lab8.ipynb": "some text"},
        {"lab8.ipynb": json.dumps({"cells": []})},
        {"lab8.py": "#" * (limits.CODE_BYTES + 1)},
        {"lab8.ipynb": notebook("#" * (limits.CODE_BYTES + 1))},
    ],
    ids=lambda contents: " ".join(contents) or "nothing",
)
def test_no_code(contents: dict[str, str | bytes]) -> None:
    assert find_code(files(contents)).code is None


def test_a_notebook_without_end_is_not_read_to_its_end() -> None:
    taken = 0

    class Endless(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal taken
            assert size and size > 0
            taken += size
            return b"{" * size

    found = find_code([Entry("lab8.ipynb", 10, 10, opener=Endless)])  # it claims ten bytes
    assert found.code is None and "larger than 64 MiB" in found.remarks[0]
    assert taken < limits.NOTEBOOK_BYTES + 2 * limits.MIB


def test_a_notebooks_pictures_do_not_count_towards_its_text() -> None:
    picture = {
        "output_type": "display_data",
        "data": {"image/png": "iVBO\n" * 8_000_000, "text/plain": "<Figure>"},
    }
    cells = [{"cell_type": "code", "source": WORK, "outputs": [picture]}]
    cells += [{"cell_type": "markdown", "source": 'say \\"image/png\\": "AAAA"' + "A" * 2_000}]
    raw = json.dumps({"nbformat": 4, "cells": cells})
    found = find_code(files({"lab8.ipynb": raw}))
    assert found.code and found.code.cells == (WORK,) and found.markdown == (cells[1]["source"],)
    found = find_code(files({"lab8.ipynb": raw.replace("image/png", "text/html")}))
    assert found.code is None and "larger than 16 MiB without its pictures" in found.missing


def test_what_is_read_in_search_of_the_code_is_bounded() -> None:
    big = WORK + "#" * (limits.CODE_BYTES - len(WORK) - 1)
    found = find_code(files({f"lab8_{n}.py": big for n in range(6)} | {"lab8.py": WORK}))
    assert found.code and found.code.cells == (WORK,)
    assert sum("there is too much code beside it" in remark for remark in found.remarks) == 3
    claims = [Entry(f"{n}.ipynb", 60 << 20, opener=lambda: io.BytesIO(b'{"cells": 3}')) for n in range(3)]
    found = find_code([*claims, *files({"lab8.py": WORK})])
    assert found.code and "2.ipynb was not looked at: there is too much code beside it" in found.remarks


def test_what_is_read_in_search_of_the_answers_is_bounded() -> None:
    taken: list[str] = []

    def text(name: str, content: bytes) -> Entry:
        def opened() -> io.BytesIO:
            taken.append(name)
            return io.BytesIO(content)

        return Entry(name, len(content), len(content), opener=opened)

    answers = b"## Question 1\nYes.\n## Question 2\nNo.\n"
    texts, _, _ = find_answers(
        [text(f"{n}.txt", b"x") for n in range(300)] + [text("zz answers.md", answers)], ()
    )
    assert texts == (answers.decode(),) and len(taken) == limits.ANSWER_SEARCH_FILES
    taken.clear()
    find_answers([text(f"{n}.txt", b"x" * 1_000_000) for n in range(50)], ())
    assert len(taken) < 10


def test_code_in_other_encodings() -> None:
    text = '"""卷积神经网络"""\n' + WORK
    for raw in (text.encode("gb18030"), text.encode("utf-16"), b"\xef\xbb\xbf" + text.encode()):
        found = find_code(files({"lab8.py": raw}))
        assert found.code and found.code.cells == (text,)


@given(
    st.binary(max_size=300),
    st.sampled_from(["lab8.py", "lab8.ipynb", "lab8", "x.txt", "a.pt", "a.safetensors"]),
)
def test_any_bytes_are_survived(tmp_path_factory: pytest.TempPathFactory, raw: bytes, name: str) -> None:
    folder = tmp_path_factory.getbasetemp()
    for content in (raw, b"{" + raw, b"PK\x03\x04" + raw, SAFETENSORS[:8] + raw):
        listed = files({name: content, "answers.md": raw})
        find_code(listed)
        find_weights(listed, folder, Allowance())
        find_answers(listed, ())


# --- weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contents", "chosen", "form"),
    [
        ({"classifier.safetensors": SAFETENSORS}, "classifier.safetensors", "safetensors"),
        ({"classifier.pt": torch_bytes()}, "classifier.pt", "torch"),
        ({"classifier.pth": torch_bytes(legacy=True)}, "classifier.pth", "torch"),
        ({"classifier.pt": SAFETENSORS}, "classifier.pt", "safetensors"),
        ({"classifier.safetensors": torch_bytes()}, "classifier.safetensors", "torch"),
        ({"model/best.bin": torch_bytes()}, "best.bin", "torch"),
        (
            {"classifier.pt": torch_bytes(), "classifier.safetensors": SAFETENSORS},
            "classifier.safetensors",
            None,
        ),
        ({"lenet5.pt": torch_bytes(), "classifier (1).pt": torch_bytes()}, "classifier (1).pt", None),
        ({"a.pt": SAFETENSORS, "b.pt": to_safetensors({"w": torch.ones(99)})}, "b.pt", None),
        ({"classifier.pt": b"", "other.pt": torch_bytes()}, "other.pt", None),
        ({"classifier": torch_bytes()}, "classifier", "torch"),
        ({"classifier.safetensors.txt": SAFETENSORS}, "classifier.safetensors.txt", "safetensors"),
        ({"data_batch.bin": b"\6" * 3073, "model.pt": torch_bytes()}, "model.pt", "torch"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_the_weights_are_found(
    tmp_path: Path, contents: dict[str, str | bytes], chosen: str, form: str | None
) -> None:
    weights, remarks, _ = find_weights(files(contents), tmp_path, Allowance())
    assert weights and weights.filename == chosen
    assert form is None or weights.format == form
    (original,) = (content for path, content in contents.items() if path.endswith(chosen))
    assert weights.path.read_bytes() == original
    assert bool(remarks) == (
        len(contents) > 1 or not chosen.startswith("classifier.") or chosen.endswith(".txt")
    )
    assert [path.name for path in tmp_path.iterdir()] == [weights.path.name]


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        ({"classifier.pt": b""}, "is empty"),
        ({"classifier.pt": b"hello"}, "neither"),
        ({"classifier.safetensors": b"version https://git-lfs.github.com/spec/v1\noid x"}, "Git LFS pointer"),
        ({"classifier.safetensors": (10**9).to_bytes(8, "little") + b"{}"}, "neither"),
        ({"classifier.pt": b"PK\x03\x04 torn"}, "neither"),
        (
            {"classifier.npz": b"PK", "cifar10-train.npy": b""},
            "classifier.npz cannot be read as weights: save ",
        ),
        ({"notes.txt": "hello", "lab8.py": "x"}, ""),
    ],
    ids=["empty", "text", "lfs", "header too long", "torn zip", "numpy", "none"],
)
def test_no_weights(tmp_path: Path, contents: dict[str, str | bytes], reason: str) -> None:
    weights, remarks, _ = find_weights(files(contents), tmp_path, Allowance())
    assert weights is None
    assert reason in " ".join(remarks)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_too_large_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grader.intake.pick.WEIGHT_BYTES", 1 << 20)
    weights, remarks, _ = find_weights(
        files({"classifier.pt": SAFETENSORS + bytes(1 << 20)}), tmp_path, Allowance()
    )
    assert weights is None and "larger than 1 MiB" in remarks[0]


def test_a_zip_of_work_is_no_checkpoint(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("lab8/data.pkl", b"x")
        archive.writestr("lab8/version", b"3")
        archive.writestr("lab8.py", WORK)
    assert find_weights(files({"classifier.pt": buffer.getvalue()}), tmp_path, Allowance())[0] is None


# --- answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contents", "chosen"),
    [
        ({"answers.md": ANSWERS}, "answers.md"),
        ({"answers.txt": "anything at all"}, "answers.txt"),
        ({"答案.txt": "随便写的"}, "答案.txt"),
        ({"notes.md": ANSWERS}, "notes.md"),
        ({"ex.txt": "第一题 可以\n第二题 不行\n"}, "ex.txt"),
        ({"ex.txt": "**1.** yes\n2) no\n"}, "ex.txt"),
        ({"README.md": ANSWERS}, None),
        ({"requirements.txt": "1. x\n2. y\n"}, None),
        ({"labels.txt": "1\n2\n3\n4\n"}, None),
        ({"log.txt": "loss 0.1\n"}, None),
        ({"answers.md": ANSWERS, "README.md": ANSWERS * 2, "notes.md": ANSWERS * 2}, "answers.md"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_the_answers_are_found(contents: dict[str, str | bytes], chosen: str | None) -> None:
    texts, _, _ = find_answers(files(contents), ())
    assert texts == ((contents[chosen],) if chosen else ())


def test_all_files_called_answers_count_the_longest_first() -> None:
    """The sheets in both languages are handed in together, and mostly one of them is still empty."""
    longer = ANSWERS + "More of it.\n"
    texts, remarks, _ = find_answers(files({"answers.md": ANSWERS, "answers.zh.md": longer}), ("a",))
    assert texts == (longer, BREAK, ANSWERS, BREAK, "a") and not remarks
    texts, remarks, _ = find_answers(files({"answers.md": ANSWERS, "answers (1).md": longer}), ())
    assert texts == (longer, BREAK, ANSWERS) and "answers (1).md and answers.md" in remarks[0]


def test_no_more_than_four_files_and_one_mebibyte_of_answers_are_taken() -> None:
    many = {f"answers{n}.md": ANSWERS for n in range(9)}
    texts, remarks, _ = find_answers(files(many), ())
    assert texts.count(ANSWERS) == 4 and "left aside: answers4.md" in remarks[0]
    large = "x" * (limits.ANSWER_BYTES - 100)
    texts, remarks, _ = find_answers(files({"answers.md": large, "answers.zh.md": "y" * 200}), ("z" * 50,))
    assert texts == (large, BREAK, "z" * 50) and "left aside: answers.zh.md" in remarks[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_answers_in_other_encodings(encoding: str) -> None:
    text = "## 问题 1\n可以，自编码器就是一个例子。\n"
    assert find_answers(files({"answers.txt": text.encode(encoding)}), ())[0] == (text,)


def test_a_notebooks_cells_come_after_the_file() -> None:
    assert find_answers([], ("a", "b")) == (("a", "b"), [], [])
    texts, _, _ = find_answers(files({"answers.md": ANSWERS}), ("a",))
    assert texts[0] == ANSWERS and texts[-1] == "a"
    assert texts[1].startswith("# "), "the file's last answer must end before the notebook begins"


def test_the_markdown_of_a_notebook_beside_the_code_is_kept() -> None:
    found = find_code(files({"lab8.py": WORK, "lab8.ipynb": notebook("", "## Question 1")}))
    assert found.code and found.code.filename == "lab8.py"
    assert found.markdown == ("## Question 1",)


def test_a_document_is_told_to_be_unreadable() -> None:
    texts, remarks, _ = find_answers(files({"report.pdf": b"%PDF", "b.docx": b"PK"}), ())
    assert texts == () and "report.pdf" in remarks[0] and "cannot be read" in remarks[0]


def test_answers_are_bounded() -> None:
    texts, remarks, _ = find_answers(files({"answers.md": "x" * (limits.ANSWER_BYTES + 1)}), ())
    assert texts == () and "larger than 1 MiB" in remarks[0]
    texts, remarks, _ = find_answers([], ("x" * 700_000, "y" * 700_000))
    assert len(texts) == 1 and "the rest was not read" in remarks[0]


STUB = """\
def {}(
    x: int = 1,
) -> int:
    '''Does it.'''
    # TODO
    raise NotImplementedError


"""


def test_a_stub_left_below_the_work_or_commented_out_hides_no_work() -> None:
    template = "".join(map(STUB.format, CONTRACT))
    below = template.replace("    # TODO\n", "    # TODO\n    return 1\n")
    commented = template.replace("    raise Not", "    # raise Not")
    for work, taken in ((below, "lab8.ipynb"), (commented, "lab8.ipynb"), (template, "lab8.py")):
        found = find_code(files({"lab8.py": template, "lab8.ipynb": notebook(work)}))
        assert found.code and found.code.filename == taken
