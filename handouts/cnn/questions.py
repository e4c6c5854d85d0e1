"""The questions of the exercises: name -> (right answer, hint), or with hints for particular wrong answers.

    "name": (answer, "hint for any other answer", {wrong_answer: "what went wrong there"}),

A name begins with its chapter's number. The model answers, with the reasoning, are in the chapters.
"""

from typing import Any

QUESTIONS: dict[str, tuple[Any, ...]] = {
    "01_linear_parameters": (
        78_500,
        "How many inputs has the layer? Each output has a weight for every input, and one bias.",
        {78_400: "You forgot the biases: one for each output."},
    ),
    "01_shuffled_pixels": (
        "convolutional",
        "Which of the two relies on pixels that are neighbours belonging together?",
    ),
    "02_vertical_edge": (
        -36,
        "Multiply the nine weights by the nine numbers of the window, and add.",
        {36: "Look at the signs of the kernel's right column."},
    ),
    "02_worked_example": (
        -7,
        "With stride 2 the window starts at row 2 · 2 and column 1 · 2 of x. Do not forget the bias.",
        {-8: "The bias of the first kernel, 1, is missing."},
    ),
    "02_conv_parameters": (
        2416,
        "Each of the 16 kernels has 6 slices of 5×5 weights, and one bias.",
        {
            2400: "The biases are missing: one for each kernel.",
            416: "Each kernel has a slice for each input channel.",
        },
    ),
    "02_shape_plain": (
        (1, 8, 30, 30),
        "(batch, kernels, height, width), and a 3×3 kernel without padding takes away 2 pixels.",
        {(1, 8, 32, 32): "Without padding the size does not stay."},
    ),
    "02_shape_stride": (
        (1, 8, 16, 16),
        "32 + 2 · 1 − 3 pixels are left for steps of 2; round down, and add the first place.",
        {(1, 8, 15, 15): "The first place counts as well.", (1, 8, 17, 17): "Round down, not up."},
    ),
    "02_padding_for_half": (3, "Find P so that (224 + 2P − 7) / 2, rounded down, plus 1, is 112."),
    "02_receptive_field": (
        11,
        "One 3×3 layer sees 3 pixels, two see 5, three see 7.",
        {15: "The windows overlap."},
    ),
    "03_relu_sum": (
        6,
        "Replace the negative numbers by 0, then add.",
        {2: "The negative numbers count as 0."},
    ),
    "03_max_pool": (
        [[6, 6], [6, 8]],
        "The four windows start at (0, 0), (0, 1), (1, 0) and (1, 1), and each has nine numbers.",
    ),
    "03_shape": (
        (1, 10, 13, 13),
        "The convolution leaves 28 pixels. How many windows of 3 with stride 2 fit into 28?",
        {(1, 10, 14, 14): "The window is 3 wide, not 2, and the last, partial step is dropped."},
    ),
    "04_padded_maps": (
        (16, 8, 8),
        "Padding 2 keeps the size with a 5×5 kernel, and each pooling halves it.",
        {(16, 5, 5): "That is the network without padding."},
    ),
    "04_colour_parameters": (
        62_006,
        "Only the first convolution changes: 6 · (3 · 25) + 6 in place of 6 · (1 · 25) + 6.",
    ),
    "05_steps": (
        938,
        "60,000 / 64, rounded up.",
        {937: "A last, smaller batch is left.", 937.5: "Round up."},
    ),
    "05_black": (-0.4242, "(0 − mean) / standard deviation.", {0: "Normalize subtracts the mean."}),
    "05_chance_loss": (
        2.302585,
        "−log of the probability of the right class, 0.1.",
        {1: "Use the natural logarithm."},
    ),
    "06_bytes": (246_824, "The number of parameters times the bytes of one number."),
    "06_tensors": (
        10,
        "Five layers have parameters, and each has a weight and a bias.",
        {5: "Each has two tensors."},
    ),
    "06_stranger": ("b", "Which way runs nothing that came in the file?"),
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
