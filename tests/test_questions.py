"""Written questions: found under many headings, counted in both languages, not fooled by copies."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from grader.questions import BREAK, assess_answers, normalise

QUESTIONS = (
    (
        "Is it possible to use neural networks without labels, to cluster data or to reduce its dimension? "
        "Explain why.",
        "能否在没有标签的情况下，用神经网络对数据做聚类或降维？请说明理由。",
    ),
    (
        "What are neural networks good at, and under which conditions do they work well?",
        "神经网络擅长什么？在哪些条件下效果好？",
    ),
    (
        "What are neural networks bad at, and under which conditions do they work poorly?",
        "神经网络不擅长什么？在哪些条件下效果差？",
    ),
    (
        "Suppose you know enough about your data. What then makes a neural network a good choice?",
        "假设你对数据已有足够的了解，那么是什么使神经网络成为一个好选择？",
    ),
)
ANSWERS = (
    "Yes. An autoencoder learns to reproduce its input through a narrow layer, and the codes in that layer "
    "are a representation of fewer dimensions, found without a single label.",
    "They shine where a lot of data is at hand and the features are hard to write down, as for pictures, "
    "sound and language, since the layers learn those features themselves.",
    "With little data they memorise instead of generalising; they cost much energy, their decisions are hard "
    "to explain, and inputs unlike the training set give confident nonsense.",
    "A sufficiently wide network approximates any continuous function, so both class probabilities and real "
    "quantities are within reach, and prior knowledge fits into its architecture.",
)
CHINESE = (
    "可以。自编码器通过一个很窄的中间层重建输入,训练时完全不需要标签,中间层的输出就是降维之后的表示,再对它聚类即可。",
    "当数据量足够大而特征又很难由人手工设计的时候,例如图像、语音和自然语言,神经网络能自己逐层学出有用的特征。",
    "数据太少时容易过拟合,训练消耗大量算力和时间,决策过程难以解释,遇到与训练集分布不同的样本会自信地给出错误结果。",
    "足够宽的网络可以逼近任意连续函数,既能输出类别概率也能输出实数,而且对数据的先验知识可以直接写进网络结构里。",
)
TEMPLATE = "".join(
    f"## Question {number}\n\n> {english}\n\nWrite your answer here.\n\n"
    for number, (english, _) in enumerate(QUESTIONS, start=1)
)
CHINESE_TEMPLATE = "".join(
    f"## 问题 {number}\n\n> {chinese}\n\n请在此处写下你的答案。\n\n"
    for number, (_, chinese) in enumerate(QUESTIONS, start=1)
)


def present(*texts: str) -> list[bool]:
    return [answer.present for answer in assess_answers(texts, QUESTIONS)]


def with_headings(headings: list[str], answers: tuple[str, ...] = ANSWERS) -> str:
    return "\n".join(f"{heading}\n\n{answer}\n" for heading, answer in zip(headings, answers, strict=True))


def test_the_template_with_its_placeholders_filled_in() -> None:
    text = TEMPLATE
    for answer in ANSWERS:
        text = text.replace("Write your answer here.", answer, 1)
    assert present(text) == [True] * 4
    assert [a.reason for a in assess_answers([text], QUESTIONS)] == [""] * 4


def test_the_untouched_template_answers_nothing() -> None:
    outcomes = assess_answers([TEMPLATE], QUESTIONS)
    assert [a.present for a in outcomes] == [False] * 4
    assert {a.reason for a in outcomes} == {"the placeholder is still there"}


@pytest.mark.parametrize("also", [(), (BREAK, CHINESE_TEMPLATE)], ids=["alone", "beside the other sheet"])
def test_a_copied_question_is_told_as_one_and_no_placeholder(also: tuple[str, ...]) -> None:
    text = TEMPLATE.replace("Write your answer here.", QUESTIONS[0][0], 1)
    first, *others = assess_answers([text, *also], QUESTIONS)
    assert first.reason == "only the question itself"
    assert {a.reason for a in others} == {"the placeholder is still there"}


@pytest.mark.parametrize("answers", [ANSWERS, CHINESE], ids=["english", "chinese"])
@pytest.mark.parametrize(
    "heading",
    [
        "## Question {n}",
        "### Question {n}: about networks (1 point)",
        "**Question {n}.**",
        "Question {n}:",
        "question {n}",
        "QUESTION #{n}",
        "## Exercise 2, question {n}",
        "Q{n}",
        "Q{n}.",
        "Q {n})",
        "# Answer {n}",
        "A{n}:",
        "{n}.",
        "{n})",
        "({n})",
        "{n}、",
        "**{n}.**",
        "## {n}. Answer",
        "问题 {n}",
        "问题{n}:",
        "### 问题{z}",
        "第{z}题",
        "第 {n} 题:",
        "## 第{z}个问题",
        "题目{z}、",
        "{z}、",
        "Q{w}",  # full width, as a Chinese keyboard gives it
    ],
)
def test_headings_in_many_forms(heading: str, answers: tuple[str, ...]) -> None:
    filled = [heading.format(n=n, z="一二三四"[n - 1], w="1234"[n - 1]) for n in (1, 2, 3, 4)]
    assert present(with_headings(filled, answers)) == [True] * 4


def test_an_answer_on_the_heading_line() -> None:
    assert present("\n".join(f"Q{n}: {answer}" for n, answer in enumerate(ANSWERS, start=1))) == [True] * 4
    assert present("\n".join(f"{n}. {answer}" for n, answer in enumerate(ANSWERS, start=1))) == [True] * 4


def test_the_question_itself_as_a_heading() -> None:
    for language, answers in enumerate((ANSWERS, CHINESE)):
        pairs = [(wordings[language], answer) for wordings, answer in zip(QUESTIONS, answers, strict=True)]
        assert present("\n\n".join(f"{question}\n{answer}" for question, answer in pairs)) == [True] * 4
        assert present("\n\n".join(f"{question} {answer}" for question, answer in pairs)) == [True] * 4
        assert present("\n\n".join(f"{question}\n{answer}" for question, answer in pairs[2:])) == (
            [False, False, True, True]  # the second and the third are nearly the same in Chinese
        )


def test_notebook_cells_question_and_answer_apart() -> None:
    cells = [
        "# Lab 8",
        "Here is an introduction that says quite a lot about the lab and its network, at length.",
    ]
    for number, answer in enumerate(ANSWERS, start=1):
        cells += [f"### Question {number}\n> {QUESTIONS[number - 1][0]}", *answer.split(". ")]
    assert present(*cells, "## References\n") == [True] * 4


def test_a_following_chapter_does_not_answer_the_last_question() -> None:
    text = with_headings([f"## Question {n}" for n in (1, 2, 3, 4)], (*ANSWERS[:3], ""))
    assert present(text, "## References\n\n" + ANSWERS[3]) == [True, True, True, False]
    assert present(text, "### A heading inside the answer\n\n" + ANSWERS[3]) == [True] * 4


def test_a_list_inside_an_answer_is_no_heading() -> None:
    listed = "1. " + ANSWERS[0] + "\n2. They also work as " + "a b c d e f g h i j k l m n o p"
    outcomes = assess_answers([f"## Question 1\n{listed}\n## Question 2\n"], QUESTIONS)
    assert [a.present for a in outcomes] == [True, False, False, False]
    assert outcomes[1].reason == "nothing is written there"
    assert outcomes[2].reason == "no heading for question 3 was found"


def test_a_sentence_about_a_question_is_no_heading() -> None:
    text = f"## Question 1\n{ANSWERS[0]}\nQuestion 2 shows that this is not all.\n## Question 2\n{ANSWERS[1]}"
    assert present(text) == [True, True, False, False]


def test_two_answers_of_four() -> None:
    text = TEMPLATE.replace("Write your answer here.", ANSWERS[0], 1)
    text = text[::-1].replace("Write your answer here."[::-1], ANSWERS[3][::-1], 1)[::-1]
    assert present(text) == [True, False, False, True]


def test_answers_out_of_order() -> None:
    text = f"## Question 3\n{ANSWERS[2]}\n## Question 1\n{ANSWERS[0]}"
    assert present(text) == [True, False, True, False]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "nothing is written there"),
        ("<!-- " + ANSWERS[0] + " -->", "nothing is written there"),
        ("Write your answer here.", "the placeholder is still there"),
        ("*(your answer here)*", "the placeholder is still there"),
        ("TODO", "the placeholder is still there"),
        ("在此处填写你的答案。", "the placeholder is still there"),
        (QUESTIONS[0][0], "only the question itself"),
        (" ".join(english for english, _ in QUESTIONS), "only the question itself"),
        ("".join(chinese for _, chinese in QUESTIONS), "only the question itself"),
        ("> " + QUESTIONS[0][0].replace(" to cluster", "\n> to cluster"), "only the question itself"),
        ("Yes, they can.", "3 words; at least 15 words or 30 Chinese characters are needed"),
        ("可以,用自编码器。", "7 Chinese characters; at least 15 words or 30 Chinese characters are needed"),
        (
            "Yes 可以",
            "1 word and 2 Chinese characters; at least 15 words or 30 Chinese characters are needed",
        ),
        ("1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", "nothing is written there"),
        ("word " * 200, "the same words over and over"),
        ("好" * 200, "the same words over and over"),
        ("they can do it " * 30, "the same words over and over"),
        ("Yes they can, I think. " * 30, "the same words over and over"),
        ("a b c a c b b a c b c a c a b c b a" * 3, "the same words over and over"),
    ],
)
def test_what_is_no_answer(answer: str, reason: str) -> None:
    outcome = assess_answers([f"## Question 1\n{answer}\n## Question 2\n"], QUESTIONS)[0]
    assert (outcome.present, outcome.reason) == (False, reason)


def test_one_answer_pasted_four_times_counts_once() -> None:
    outcomes = assess_answers(
        [with_headings([f"## Question {n}" for n in (1, 2, 3, 4)], (ANSWERS[0],) * 4)], QUESTIONS
    )
    assert [a.present for a in outcomes] == [True, False, False, False]
    assert {a.reason for a in outcomes[1:]} == {"the same text as the answer to question 1"}
    nearly = (CHINESE[0], CHINESE[0] + "谢谢老师。", "首先," + CHINESE[0], CHINESE[1])
    assert present(with_headings([f"问题{n}" for n in (1, 2, 3, 4)], nearly)) == [True, False, False, True]


def test_mixed_language_counts_both() -> None:
    mixed = "可以用autoencoder把高维数据压缩成low dimensional code,再用k-means聚类,不需要labels。"
    outcome = assess_answers([f"Q1: {mixed}"], QUESTIONS)[0]
    assert outcome.present


def test_amount_is_words_or_chinese_characters() -> None:
    english, chinese = assess_answers([f"Q1: {'one two three four five six'}\nQ2: 神经网络很好"], QUESTIONS)[
        :2
    ]
    assert (english.amount, chinese.amount) == (6, 6)


def test_an_answer_may_stand_in_a_quote_and_repeat_the_question_first() -> None:
    assert present(f"## Question 1\n> {ANSWERS[0]}\n")[0]
    assert present(f"## Question 1\n{QUESTIONS[0][0]} {ANSWERS[0]}\n")[0]


def test_a_comment_that_is_never_closed_hides_nothing() -> None:
    assert present(f"## Question 1\n<!-- {ANSWERS[0]}\n")[0]


def test_questions_in_chinese_are_stripped_too() -> None:
    asked = [("神经网络能否在没有标签的情况下用于聚类或者降低数据的维度?请说明你的理由和依据是什么。",)]
    assert assess_answers([f"问题一\n> {asked[0][0]}\n"], asked)[0].reason == "only the question itself"
    assert assess_answers([f"{asked[0][0]}\n{CHINESE[0]}\n"], asked)[0].present


def test_no_texts_and_no_questions() -> None:
    assert [a.present for a in assess_answers([], QUESTIONS)] == [False] * 4
    assert assess_answers(["## Question 1\nhello"], []) == ()


words = st.lists(
    st.sampled_from(
        [
            "alpha",
            "beta",
            "gamma",
            "好",
            "的",
            "网",
            "1",
            "##",
            ">",
            "**",
            "Q1",
            "Question",
            "2",
            ":",
            ".",
            "\n",
        ]
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(st.lists(words.map(" ".join) | st.text(max_size=200), max_size=5))
def test_any_text_gives_one_outcome_a_question(texts: list[str]) -> None:
    outcomes = assess_answers(texts, QUESTIONS)
    assert [a.number for a in outcomes] == [1, 2, 3, 4]
    assert all(a.present == (not a.reason) and a.amount >= 0 and "\n" not in a.reason for a in outcomes)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 4), st.text(max_size=300))
def test_what_stands_under_one_question_answers_no_other(number: int, text: str) -> None:
    outcomes = assess_answers(
        [f"## Question {number}\n" + text.replace("#", "").replace("\n", " ")], QUESTIONS
    )
    assert not any(a.present for a in outcomes if a.number != number)


@settings(max_examples=100, deadline=None)
@given(st.permutations(ANSWERS + CHINESE), st.integers(2, 6))
def test_repeating_an_answer_adds_nothing(answers: list[str], times: int) -> None:
    short = " ".join(answers[0].split()[:6]) if answers[0].isascii() else answers[0][:20]
    assert not present(f"Q1: {(short + ' ') * times}")[0]
    assert present(f"Q1: {(answers[1] + ' ') * times}")[0]


def test_the_text_of_an_answer_is_kept_for_people_to_read() -> None:
    written = "They fail on inputs unlike the training data: other cameras, say.\n\u202eAnd 猫 too."
    (first, *_) = assess_answers([f"## Question 1\n\n{written}\n\n{'x ' * 9000}"], QUESTIONS)
    assert first.text.startswith(
        "They fail on inputs unlike the training data: other cameras, say.\nAnd 猫 too."
    )
    assert len(first.text) < 10_000
    (first, *_) = assess_answers(
        ["## Question 1\n\n![](data:image/png;base64,iVBORw0KGgo=) see the picture"], QUESTIONS
    )
    assert "iVBOR" not in first.text and first.amount == 3


@pytest.mark.parametrize(
    "unit",
    [
        "<!--",
        "<a",
        "data:",
        "question ",
        "# question" + " " * 50,
        "double click ",
        "(1",
        "Q1:\n",
        "第",
        "\ufdfa",
        "word ",
        "#",
        "[",
        "1.\n",
        "to do ",
    ],
)
def test_hostile_texts_take_linear_time(unit: str) -> None:
    began = time.process_time()
    assess_answers(["## Question 1\n" + unit * (500_000 // len(unit))], QUESTIONS)
    assert time.process_time() - began < 15


@pytest.mark.parametrize("between", ["", "<!-- -->"])
@pytest.mark.parametrize("marks", ["\u0300\u0316", "\uff9e\u0316", "\u0f73\u0316"])
def test_heaps_of_combining_marks_take_linear_time(marks: str, between: str) -> None:
    """Sorting a run of them, as NFKC does, takes the square of its length."""
    run = marks * 15 + between if between else marks
    began = time.process_time()
    assess_answers(["## Question 1\na" + run * (100_000 // len(run)) + ANSWERS[0]], QUESTIONS)
    assert time.process_time() - began < 2


def test_every_character_that_joins_a_run_of_marks_is_known() -> None:
    """What begins with a combining mark once it is taken apart lengthens the run before it."""
    for code in (*range(0x300, 0xD800), *range(0xE000, 0x110000)):
        character = chr(code)
        if unicodedata.combining(unicodedata.normalize("NFKD", character)[0]):
            assert len(normalise(character * 100)) < 70, hex(code)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters() | st.sampled_from("\u0300\u0316e\uff76\uff9e")))
def test_text_that_people_write_is_normalised_as_ever(text: str) -> None:
    text = "".join(character for character in text if normalise(character))
    if not re.search("[\u0300\u0316\uff9e]{20}", text):
        assert normalise(text) == unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize(
    "letter",
    ["\u3164", "\u115f", "\u1160", "\uffa0", "\u200b", "\u2800", "\U000e0061", "\U00013441"],
    ids=lambda letter: f"U+{ord(letter):04X}",
)
def test_letters_that_do_not_show_are_no_words(letter: str) -> None:
    words = " ".join(letter * n for n in range(1, 60))
    (one,) = assess_answers([f"## Question 1\n{words}\n"], QUESTIONS[:1])
    assert not one.present and one.amount == 0


def test_what_takes_no_room_parts_no_word() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    for between in ("\u200b", "\u00ad", "\u2060", "\u034f", "\ufe0f", "\u3164", "\U000e0020"):
        (one,) = assess_answers([f"## Question 1\n{between.join(letters)}\n"], QUESTIONS[:1])
        assert one.amount == 1, hex(ord(between))


def test_no_default_ignorable_character_is_left() -> None:
    """Format characters, and the letters and marks that Unicode says are not to be shown."""
    left = {
        code for code in range(0x110000) if unicodedata.category(chr(code)) == "Cf" and normalise(chr(code))
    }
    # Those that show: Arabic signs under numbers, Kaithi's, hieroglyphs' joiners, interlinear marks.
    assert left <= {*range(0x600, 0x606), 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}.union(
        range(0x13430, 0x13440), range(0xFFF9, 0xFFFC)
    )


@pytest.mark.parametrize(
    "heading", ["Question f\u0131ve", "Question S\u0130X", "## Answer e\u0131ght", "Q\u0666:"]
)
def test_a_number_in_letters_that_only_match_is_survived(heading: str) -> None:
    outcomes = assess_answers([f"{heading}\n\n{ANSWERS[0]}\n"], QUESTIONS)
    assert len(outcomes) == len(QUESTIONS)


UNTOUCHED = TEMPLATE.split("\n\n")  # the cells of the notebook that the course hands out


def test_numbered_answers_in_a_file_beside_an_untouched_notebook() -> None:
    file = "\n\n".join(f"{number}. {answer}" for number, answer in enumerate(ANSWERS, start=1))
    assert present(file, BREAK, *UNTOUCHED) == [True] * 4


def test_of_a_file_and_a_notebook_the_better_answer_counts_question_by_question() -> None:
    file = f"## Question 1\n{ANSWERS[0]}\n## Question 2\nToo short.\n## Question 4\n{ANSWERS[3]}\n"
    cells = ["## Question 1", "Write your answer here.", "## Question 2", ANSWERS[1], "## Question 3", "No."]
    outcomes = assess_answers([file, BREAK, *cells], QUESTIONS)
    assert [a.present for a in outcomes] == [True, True, False, True]
    assert outcomes[2].reason.startswith("1 word;")
    assert present("1. " + ANSWERS[0], BREAK, "2. " + ANSWERS[1]) == [True, True, False, False]


def test_the_same_answers_in_the_file_and_the_notebook_are_no_copies() -> None:
    text = with_headings([f"## Question {n}" for n in (1, 2, 3, 4)])
    assert present(text, BREAK, text) == [True] * 4
    outcomes = assess_answers([f"Q1: {ANSWERS[0]}", BREAK, f"Q2: {ANSWERS[0]}"], QUESTIONS)
    assert [a.reason for a in outcomes[:2]] == ["", "the same text as the answer to question 1"]


def test_of_two_files_the_better_answer_counts_question_by_question() -> None:
    chinese = "\n\n".join(f"## 问题 {n}\n\n{CHINESE[n - 1]}" for n in (1, 2, 4))
    assert present(TEMPLATE, BREAK, chinese) == [True, True, False, True]
    assert present(chinese, BREAK, TEMPLATE, BREAK, *UNTOUCHED) == [True, True, False, True]
    assert present(chinese, BREAK, f"Q3: {ANSWERS[2]}", BREAK, *UNTOUCHED) == [True] * 4
