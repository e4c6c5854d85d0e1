"""The questions of the exercises: name -> (right answer, hint), or with hints for particular wrong answers.

    "name": (answer, "hint for any other answer", {wrong_answer: "what went wrong there"}),

A name begins with its chapter's number. The model answers, with the reasoning, are in the chapters.
"""

from typing import Any

QUESTIONS: dict[str, tuple[Any, ...]] = {
    # The GPU
    "07_to": (
        "cpu",
        "For a tensor, .to returns a copy and leaves the original where it was.",
        {"meta": "A module moves in place, a tensor does not: the result of .to was thrown away."},
    ),
    "07_bytes": (
        246_824,
        "61,706 numbers of 32 bits; a byte has 8 bits.",
        {61_706: "That is the count of the numbers: each takes 4 bytes.", 1_974_592: "Those are bits."},
    ),
    # From a slow loop to a fast one
    "08_data_set": (
        153_600_000,
        "Images times channels times rows times columns, one byte each.",
        {614_400_000: "That is float32, with 4 bytes a number; a uint8 takes one."},
    ),
    "08_amdahl": (
        1 / (0.2 + 0.08),
        "Let the loop take 1 s. How long are the two parts afterwards, and together?",
        {10: "Only the data part became faster: the other 20 % take as long as before."},
    ),
    # Architectures
    "09_alexnet_conv1": (
        55,
        "How many whole steps of 4 fit behind the kernel's first place?",
        {54: "Add the first place."},
    ),
    "09_alexnet_fc6": (
        37_752_832,
        "The 256 maps of 6×6 are flattened; each output has a weight for every number, and a bias.",
        {37_748_736: "The biases are missing."},
    ),
    "09_three_small": (
        110_592,
        "Each convolution has 64·64 kernels of 3×3.",
        {36_864: "That is one of the three.", 200_704: "That is the 7×7 convolution."},
    ),
    "09_inception_channels": (
        480,
        "The four results are put one behind the other.",
        {192: "They are not the maximum of the four."},
    ),
    "09_projection": (
        8192,
        "A 1×1 kernel for every pair of an input and an output channel.",
        {8320: "It has no bias."},
    ),
    # The lab
    "10_points": (42, "62.5 % lies in the middle between 55 % (35 points) and 70 % (49 points)."),
    "10_standard_error": (
        1.3,
        "The root of p·(1 − p)/n with p = 0.8 and n = 1000, times 100, rounded to one digit.",
        {
            1.26: "Right, but round it to one digit behind the point.",
            0.4: "That is for 10,000 images; here are 1,000.",
        },
    ),
}
