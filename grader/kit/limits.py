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
from grader.rubric import Rubric


def limits_told(rubric: Rubric, language: Literal["en", "zh"]) -> str:
    """A Markdown list."""
    limits = rubric.limits
    sizes = [size // MIB for size in (CODE_BYTES, NOTEBOOK_BYTES, WEIGHT_BYTES, ANSWER_BYTES)]
    text = NOTEBOOK_TEXT_BYTES // MIB
    if language == "en":
        return (
            f"- size: {sizes[0]} MiB of code, {sizes[1]} MiB of notebook with its outputs ({text} without "
            f"its pictures), {sizes[2]} MiB of weights, {sizes[3]} MiB of answers;\n"
            f"- memory: {limits.memory_mib:,} MiB beside PyTorch itself;\n"
            f"- time: {limits.call_seconds:g} seconds a call; {limits.accuracy_seconds / 60:g} minutes for "
            "10,000 test images on one core of a usual computer, far more than most networks need: the "
            "self-test says so if yours needs more than half."
        )
    return (
        f"- 大小：代码 {sizes[0]} MiB，带输出的笔记本 {sizes[1]} MiB（不计图片 {text} MiB），"
        f"权重 {sizes[2]} MiB，回答 {sizes[3]} MiB；\n"
        f"- 内存：除 PyTorch 本身外 {limits.memory_mib:,} MiB；\n"
        f"- 时间：每次调用 {limits.call_seconds:g} 秒；在普通电脑的一个核上，10,000 张测试图像 "
        f"{limits.accuracy_seconds / 60:g} 分钟，"
        "远多于大多数网络所需：如果你的网络用掉一半以上，自测会告诉你。"
    )
