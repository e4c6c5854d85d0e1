"""The limits that a submission has to keep to, as the students' READMEs tell them."""

from __future__ import annotations

from typing import Literal

from grader.intake.limits import (
    ANSWER_BYTES,
    CODE_BYTES,
    MIB,
    NOTEBOOK_BYTES,
    NOTEBOOK_TEXT_BYTES,
    WEIGHT_BYTES,
)
from grader.lab import Lab
from grader.rubric import Rubric


def limits_told(lab: Lab, rubric: Rubric, language: Literal["en", "zh"]) -> str:
    """A Markdown list."""
    limits = rubric.limits
    sizes = [size // MIB for size in (CODE_BYTES, NOTEBOOK_BYTES, WEIGHT_BYTES, ANSWER_BYTES)]
    text = NOTEBOOK_TEXT_BYTES // MIB
    more = lab.measure_minutes[language == "zh"].format(minutes=limits.accuracy_seconds / 60)
    if language == "en":
        weights = f" {sizes[2]} MiB of weights," if lab.contract.weights else ""
        return (
            f"- size: {sizes[0]} MiB of code, {sizes[1]} MiB of notebook with its outputs ({text} without "
            f"its pictures),{weights} {sizes[3]} MiB of answers;\n"
            f"- memory: {limits.memory_mib:,} MiB beside PyTorch itself;\n"
            f"- time: {limits.call_seconds:g} seconds a call{f'; {more}' if more else ''}."
        )
    weights = f"权重 {sizes[2]} MiB，" if lab.contract.weights else ""
    return (
        f"- 大小：代码 {sizes[0]} MiB，带输出的笔记本 {sizes[1]} MiB（不计图片 {text} MiB），"
        f"{weights}回答 {sizes[3]} MiB；\n"
        f"- 内存：除 PyTorch 本身外 {limits.memory_mib:,} MiB；\n"
        f"- 时间：每次调用 {limits.call_seconds:g} 秒{f'；{more}' if more else ''}。"
    )
