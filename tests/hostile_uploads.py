"""Hand-ins that are made to cost their reader memory, time, open files, or everybody's marks.

Each maker finds an honest hand-in in a folder (`lab8.py`, `classifier.safetensors`, `answers.md`) and adds
to it; what comes of it stands in its mark: the status, the rubric's rows that are lost, words of the reason.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

KIB, MIB = 1024, 1024 * 1024
CODE = ("conv_*", "lenet_*", "classifier_*", "accuracy")


@dataclass(frozen=True)
class Upload:
    idea: str
    make: Callable[[Path], None]
    status: str
    lost: tuple[str, ...]
    reason: str


UPLOADS: dict[str, Upload] = {}


def upload(
    status: str = "graded", lost: tuple[str, ...] = (), reason: str = ""
) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    def mark(make: Callable[[Path], None]) -> Callable[[Path], None]:
        assert make.__doc__
        UPLOADS[make.__name__] = Upload(make.__doc__, make, status, lost, reason)
        return make

    return mark


def packed(
    files: Mapping[str, bytes] | Iterable[tuple[str, bytes]], method: int = zipfile.ZIP_STORED
) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in files.items() if isinstance(files, Mapping) else files:
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return buffer.getvalue()


def listing(members: int, name: bytes = b"", extra: bytes = b"") -> bytes:
    """A zip that is nothing but a list of members, each of them empty."""
    record = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, len(name), len(extra), 0, 0, 0, 0, 0
    )
    records = (record + name + extra) * members
    count = min(members, 0xFFFF)
    return records + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(records), 0, 0)


def empty_blocks(size: int) -> bytes:
    """A deflate stream that gives nothing: each block of its `size` bytes has a code of its own to build."""
    bits, length = 0, 0

    def write(value: int, count: int) -> None:
        nonlocal bits, length
        bits |= value << length
        length += count

    write(0b100, 3)  # not the last; codes of its own
    write(0, 5)  # 257 literals
    write(0, 5)  # one distance
    write(14, 4)
    for symbol in (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1):
        write(symbol in (1, 18), 3)
    for zeros in (138, 118):  # the code of 1 is 0, and that of 18, so many zeros, is 1
        write(1, 1)
        write(zeros - 11, 7)
    write(0, 3)  # lengths of the end and of the distance; then the end
    block = sum(bits << n * length for n in range(8)).to_bytes(length, "little")
    return block * (size // len(block))


def with_stream(name: str, stream: bytes, claimed: int) -> bytes:
    """A zip with one deflated member, whose stream and size are these."""
    raw = name.encode()
    fields = (20, 0, 8, 0, 0, 0, len(stream), claimed, len(raw))
    local = struct.pack("<4s5H3L2H", b"PK\3\4", *fields, 0) + raw
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", 20, *fields, 0, 0, 0, 0, 0, 0) + raw
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(local) + len(stream), 0)
    return local + stream + entry + end


def notebook(cells: str, outputs: str = "") -> bytes:
    text = f'{{"nbformat": 4, "metadata": {{}}, "cells": [{cells}]{outputs}}}'
    return text.encode()


def cell(kind: str, source: str) -> str:
    return json.dumps({"cell_type": kind, "source": source, "outputs": []}, ensure_ascii=False)


# --- zips


@upload(reason="there are more than 50 zips")
def a_zip_of_a_thousand_zips(folder: Path) -> None:
    """More zips in a zip than a process may have files open."""
    one = packed({"x.txt": b"x"})
    (folder / "more.zip").write_bytes(packed({f"{n}.zip": one for n in range(990)}))


@upload(reason="list of members is too long")
def lists_of_members_without_members(folder: Path) -> None:
    """Zips that are eight mebibytes of list each, and pack well."""
    one = listing(8 * MIB // 47, b"a")
    (folder / "more.zip").write_bytes(packed({f"{n}.zip": one for n in range(12)}, zipfile.ZIP_DEFLATED))


@upload(reason="list of members is too long")
def many_lists_that_fit(folder: Path) -> None:
    """Zips whose lists are short enough each, but not together."""
    one = listing(9_000, b"a")
    (folder / "more.zip").write_bytes(packed({f"{n}.zip": one for n in range(45)}, zipfile.ZIP_DEFLATED))


@upload("quarantined", reason="too long a name")
def names_of_sixty_four_kibibytes(folder: Path) -> None:
    """Members with the longest names that a zip can hold, all of them combining marks."""
    name = ("\u0300\u0316" * 16_000).encode()[:65_000]
    (folder / "more.zip").write_bytes(listing(100, name))


@upload(reason="list of members is too long")
def extra_fields_of_sixty_four_kibibytes(folder: Path) -> None:
    """Members with thousands of empty extra fields, each taken off by a copy of the rest."""
    (folder / "more.zip").write_bytes(listing(120, b"a", struct.pack("<HH", 0x7777, 0) * 16_000))


@upload(reason="takes too long")
def a_stream_that_gives_nothing(folder: Path) -> None:
    """A packed stream of empty blocks, a minute of work in a hundred and sixty megabytes."""
    stream = empty_blocks(160 * MIB)
    (folder / "more.zip").write_bytes(with_stream("inner.zip", stream, 160 * MIB))


@upload(reason="is an archive of a kind that is not opened")
def tarballs_that_begin_like_checkpoints(folder: Path) -> None:
    """Hundreds of tarballs that are zips with long lists, to be looked at one by one."""
    one = listing(5_000, b"a" * 20)
    one = b"PK\3\4" + one
    files = {f"{n}.tar": one for n in range(600)}
    (folder / "more.zip").write_bytes(packed(files, zipfile.ZIP_DEFLATED))


@upload("quarantined", reason="1024 MiB")
def archives_of_every_kind(folder: Path) -> None:
    """A tar, a 7z, a rar and a gz in a zip, and a member that claims four gigabytes."""
    raw = with_stream("big.7z", b"\3\0", 0xFFFFFFF0)
    (folder / "a.zip").write_bytes(
        packed({f"x.{kind}": b"x" for kind in ("tar", "7z", "rar", "gz", "tar.zst")})
    )
    (folder / "b.zip").write_bytes(raw)


@upload()
def checkpoints_with_long_lists(folder: Path) -> None:
    """Thirty files called weights that are zips with a list of members and nothing else, and no real one."""
    good = (folder / "classifier.safetensors").read_bytes()
    (folder / "classifier.safetensors").unlink()
    start = packed({"x/data.pkl": b""})[:40]
    for n in range(28):
        (folder / f"classifier{n:02}.pt").write_bytes(start + listing(100_000, b"x/version"))
    (folder / "zz.ckpt").write_bytes(good)


# --- folders


@upload("quarantined", reason="more than 2,000 files")
def a_folder_of_three_thousand_files(folder: Path) -> None:
    """More files in a folder than anybody hands in."""
    (folder / "many").mkdir()
    for n in range(3_000):
        os.close(os.open(folder / "many" / f"{n}", os.O_CREAT | os.O_WRONLY))


@upload("quarantined", reason="more than 2,000 files")
def folders_in_folders(folder: Path) -> None:
    """Ten thousand folders, and no file in them."""
    for n in range(10_500):
        (folder / "tree" / f"{n % 100}" / f"{n}").mkdir(parents=True)


@upload("quarantined", reason="1024 MiB")
def a_sparse_file_of_a_tebibyte(folder: Path) -> None:
    """A file of a tebibyte that takes no room on the disk."""
    with (folder / "data.bin").open("wb") as file:
        file.truncate(2**40)


@upload()
def sparse_weights_without_number(folder: Path) -> None:
    """Sparse files that are called weights, as large as may be, to be copied before they are looked at."""
    (folder / "classifier.safetensors").rename(folder / "zz.ckpt")
    for n in range(3):
        with (folder / f"classifier{n}.pt").open("wb") as file:
            file.truncate(250 * MIB)


# --- notebooks and code


@upload()
def large_notebooks(folder: Path) -> None:
    """Fifteen notebooks, each as large and as full of values as may be."""
    values = '{"a":0},' * 700_000
    drawn = random.Random(8)
    picture = "".join(
        drawn.randbytes(300).hex() + "b" * 39_000 for _ in range(1_500)
    )  # packs, but not too well
    text = notebook(cell("markdown", "x"), f', "x": [{values} 0], "y": {{"image/png": "{picture}"}}')
    files = {f"lab8-{n}.ipynb": text for n in range(15)}
    (folder / "more.zip").write_bytes(packed(files, zipfile.ZIP_DEFLATED))


@upload()
def a_notebook_of_wide_characters(folder: Path) -> None:
    """A notebook with a character here and there that makes four bytes in memory out of every other."""
    big = notebook(
        cell("markdown", "\U0001f600" + "a" * 7_000_000) + "," + cell("raw", "\U0001f600" + "b" * 7_000_000)
    )
    (folder / "lab8.ipynb").write_bytes(big)


@upload()
def a_notebook_of_digits(folder: Path) -> None:
    """Numbers of ten thousand digits, and one of ten million."""
    numbers = ",".join(["7" * 10_000] * 400) + "," + "7" * 10_000_000
    (folder / "lab8.ipynb").write_bytes(notebook(cell("markdown", "x"), f', "x": [{numbers}]'))


@upload()
def a_notebook_that_binds_names(folder: Path) -> None:
    """Millions of lines in a Markdown cell that each seem to define a name."""
    (folder / "lab8.ipynb").write_bytes(notebook(cell("markdown", "a=\n" * 3_500_000)))


@upload()
def a_notebook_that_claims(folder: Path) -> None:
    """Outputs of nothing but accuracies and empty lines."""
    outputs = [{"output_type": "stream", "text": "acc\n" * 50_000}] * 1
    one = json.dumps({"cell_type": "code", "source": "classifier", "outputs": outputs})
    for n in range(8):
        (folder / f"lab8-{n}.ipynb").write_bytes(notebook(",".join([one] * 60)))


@upload()
def pictures_that_never_end(folder: Path) -> None:
    """What begins like a notebook's pictures, again and again, and never ends."""
    text = '"image/png":"' + "A" * 100 + '\\"image/png": "'
    (folder / "lab8.ipynb").write_bytes(b'{"cells": [' + text.encode() * 500_000)


@upload()
def a_million_pictures(folder: Path) -> None:
    """Pictures of no bytes, as many as a notebook has room for."""
    (folder / "lab8.ipynb").write_bytes(
        notebook(cell("markdown", "x"), ', "x": {' + '"png":"",' * 7_000_000 + '"a":0}')
    )


@upload()
def a_notebook_in_no_encoding(folder: Path) -> None:
    """Bytes that no encoding explains, each of which becomes a character of its own."""
    for n in range(6):
        (folder / f"lab8-{n}.ipynb").write_bytes(b'{"cells": "' + b"\xff" * (16 * MIB - 20))


@upload(reason="too much code beside it")
def code_without_end(folder: Path) -> None:
    """Thirty modules of two mebibytes, each with a letter that makes four bytes of every one."""
    text = "# \U0001f600\n" + "x = 1  # " + "y" * (2 * MIB - 100)
    files = {f"lab8_{n}.py": text.encode() for n in range(29)}
    (folder / "more.zip").write_bytes(packed(files, zipfile.ZIP_DEFLATED))


@upload()
def imports_without_number(folder: Path) -> None:
    """Modules that import a quarter of a million names each, all different."""
    for n in range(4):
        names = ",".join(f"{n}{number:06x}".replace("0", "z", 1) for number in range(230_000))
        (folder / f"lab8_{n}.py").write_text("import " + names)


@upload()
def definitions_without_number(folder: Path) -> None:
    """Modules that bind a name of the contract in each line, and begin imports that never end."""
    (folder / "lab8_1.py").write_text("lenet5=1\n" * 230_000)
    (folder / "lab8_2.py").write_text("from a import (" * 130_000)
    (folder / "lab8_3.py").write_text("from a import (\n" * 120_000)


# --- answers


@upload(lost=("question_*",))
def a_thousand_texts(folder: Path) -> None:
    """A thousand texts of a megabyte that are not answers, but nearly."""
    (folder / "answers.md").unlink()
    files = {f"notes{n}.md": b"3 \n" * 340_000 for n in range(1_000)}
    (folder / "more.zip").write_bytes(packed(files, zipfile.ZIP_DEFLATED))


@upload(reason="answers.md is larger than 1 MiB", lost=("question_*",))
def answers_of_a_hundred_megabytes(folder: Path) -> None:
    """Answers of a hundred megabytes."""
    (folder / "answers.md").write_bytes(b"## Question 1\n" + b"word " * 20_000_000)


@upload(lost=("question_*",))
def answers_of_empty_lines(folder: Path) -> None:
    """Four hundred thousand lines, most of them empty, all others a number."""
    (folder / "answers.md").write_text("\n" * 400_000 + "1.\n" * 100_000)


@upload(lost=("question_*",))
def answers_of_letters_that_do_not_show(folder: Path) -> None:
    """Words made of letters without a form, and letters parted by what takes no room."""
    blanks = " ".join("\u3164\u115f\u1160\uffa0"[n % 4] * (n // 4 + 1) for n in range(80))
    parted = "\u200b".join("abcdefghijklmnopqrstuvwxyz")
    text = "".join(f"## Question {n}\n\n{blanks} {parted}\n\n" for n in range(1, 5))
    (folder / "answers.md").write_text(text, "utf-8")


@upload()
def a_number_in_another_alphabet(folder: Path) -> None:
    """A heading with a number that is one to a reader who ignores case, and to nobody else."""
    text = (folder / "answers.md").read_text("utf-8")
    (folder / "answers.md").write_text(
        text + "\n## Question f\u0131ve\n\nand S\u0130X\n\nQuestion s\u0130x\n", "utf-8"
    )


# Whose files are few and small: a thousand of them can lie beside each other.
LIGHT = (
    "a_zip_of_a_thousand_zips",
    "lists_of_members_without_members",
    "names_of_sixty_four_kibibytes",
    "extra_fields_of_sixty_four_kibibytes",
    "archives_of_every_kind",
    "a_sparse_file_of_a_tebibyte",
    "sparse_weights_without_number",
    "code_without_end",
    "definitions_without_number",
    "answers_of_empty_lines",
    "answers_of_letters_that_do_not_show",
    "a_number_in_another_alphabet",
)
