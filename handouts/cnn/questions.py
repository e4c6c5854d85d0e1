"""The questions of the exercises: name -> (right answer, hint for any other, {wrong answer: its mistake}).

A hint says where to look or what was overlooked, and never the calculation: that, and the reasoning, are
in the chapters. A name begins with its chapter's number.
"""

from collections.abc import Mapping
from typing import Any

_NO_BATCH = "The batch is missing: the first dimension stays, also for a single image."

QUESTIONS: dict[str, tuple[Any, str, Mapping[Any, str]]] = {
    "01_linear_parameters": (
        78_500,
        "Count the inputs first. Then think of what a single output needs.",
        {
            78_400: "You forgot the biases.",
            784: "That is the number of inputs. Each output has a weight for every one of them.",
            79_184: "There is one bias for each output, not for each input.",
            2_900: "Pixels lie in rows and columns: that is one row's worth of inputs.",
        },
    ),
    "01_shuffled_pixels": (
        "convolutional",
        "Answer with one of the three texts. Which network knows which pixels are neighbors?",
        {
            "fully connected": "A fully connected layer treats all inputs alike: does it know where one was?",
            "both": "For one of the two, mixing the pixels only renames its inputs.",
        },
    ),
    "02_vertical_edge": (
        -36,
        "Multiply each weight by the number below it, and add the nine products.",
        {
            36: "Look at the signs in the kernel's right column.",
            -27: "The weights of the right column are not all the same.",
            -18: "That is the middle row alone.",
            0: "The kernel's columns cancel only where left and right are equally bright.",
        },
    ),
    "02_worked_example": (
        -7,
        "Where does the window start? The stride decides. And there is one term beside the products.",
        {
            -8: "The bias is missing.",
            1: "Row or kernel: the row comes before the column, and o0 belongs to W0.",
            -4: "Rows and columns are counted from 0.",
        },
    ),
    "02_conv_parameters": (
        2416,
        "How many kernels are there, how many slices has each, and what comes with each kernel?",
        {
            2400: "The biases are missing.",
            2406: "There is one bias for each kernel, not for each input channel.",
            416: "Each kernel has a slice for each input channel.",
            150: "That is one kernel.",
            156: "That is LeNet-5's first layer.",
        },
    ),
    "02_shape_plain": (
        (1, 8, 30, 30),
        "The shape is (batch, channels, height, width). How far can the kernel move without padding?",
        {
            (1, 8, 32, 32): "The size stays only with padding.",
            (1, 3, 30, 30): "The number of output channels is the number of kernels.",
            (8, 30, 30): _NO_BATCH,
            (1, 8, 29, 29): "The kernel's first place counts as well.",
            (1, 30, 30, 8): "PyTorch puts the channels before height and width.",
        },
    ),
    "02_shape_stride": (
        (1, 8, 16, 16),
        "Use the formula for the output size, with its rounding and with the kernel's first place.",
        {
            (1, 8, 15, 15): "Something is missing: the padding, or the kernel's first place.",
            (1, 8, 17, 17): "Round down, not up.",
            (1, 8, 30, 30): "That is without the stride.",
            (1, 8, 32, 32): "That is with stride 1.",
            (1, 3, 16, 16): "The number of output channels is the number of kernels.",
            (8, 16, 16): _NO_BATCH,
        },
    ),
    "02_padding_for_half": (
        3,
        "Put the sizes into the formula for the output size, and try some paddings.",
        {
            2: "Just too little: the division is rounded down, before the first place is added.",
            4: "Just too much: there is one place more than wanted.",
            0: "Without padding the kernel loses its places at the border.",
            1: "That keeps the size for a 3×3 kernel with stride 1. This one is larger.",
            6: "Padding is counted on each side.",
        },
    ),
    "02_receptive_field": (
        11,
        "How many pixels does one layer see, and how many does each further layer add?",
        {
            15: "The windows overlap.",
            10: "Before any layer there is a pixel already.",
            9: "One layer more: look at what the last one adds.",
            13: "One layer less.",
            243: "The windows overlap, and add instead of multiplying.",
        },
    ),
    "03_relu_sum": (
        6,
        "Apply ReLU to each number on its own. Then add.",
        {
            2: "That is the sum without ReLU: what does it make of negative numbers?",
            10: "ReLU does not turn negative numbers into positive ones.",
            4: "That is the largest number. ReLU keeps all that are positive.",
        },
    ),
    "03_max_pool": (
        [[6, 6], [6, 8]],
        "How many windows of this size fit, with this stride? Each gives its largest number.",
        {
            ((6, 5), (2, 8)): "Those are windows of 2×2 with stride 2.",
            (6, 6, 6, 8): "The numbers are right, but the result is a table: a list of lists.",
            ((8,),): "That is one window over the whole table.",
            8: "That is one window over the whole table.",
        },
    ),
    "03_shape": (
        (1, 10, 13, 13),
        "Go layer by layer, and use the formula for both kinds of windows.",
        {
            (1, 10, 14, 14): "The pooling window is 3 wide, not 2.",
            (1, 10, 28, 28): "That is before the pooling.",
            (1, 10, 12, 12): "The first window counts as well.",
            (1, 3, 13, 13): "The convolution changes the number of channels.",
            (10, 13, 13): _NO_BATCH,
        },
    ),
    "04_padded_maps": (
        (16, 8, 8),
        "What does padding 2 do to the size with a 5×5 kernel, and what does each pooling?",
        {
            (16, 5, 5): "That is the network without padding.",
            (16, 16, 16): "There is a second pooling.",
            (16, 32, 32): "The pooling is missing.",
            (6, 16, 16): "That is half way: a convolution and a pooling follow.",
            (1, 16, 8, 8): "Right, but of one image alone: leave the batch out.",
            1024: "That is how many numbers they are. In which shape?",
        },
    ),
    "04_color_parameters": (
        62_006,
        "Only one layer looks at the image itself. How many slices do its kernels have now?",
        {
            61_706: "That is the network for one channel.",
            62_156: "The new kernels replace the old ones: you counted both.",
            62_018: "The number of biases stays: one for each kernel.",
            456: "That is the changed layer alone.",
            300: "That is how many are added.",
            185_118: "Only the first layer sees the three colors.",
        },
    ),
    "05_steps": (
        938,
        "How many batches does it take until every image was used once?",
        {
            937: "Some images are left over: they make a last, smaller batch.",
            937.5: "There is no half step: the last batch is smaller, but it is a batch.",
            60_000: "A step uses a whole batch.",
            4_690: "That is five epochs.",
            3_840_000: "A step uses several images, so there are fewer steps than images.",
        },
    ),
    "05_black": (
        (0 - 0.1307) / 0.3081,
        "Put the value of black into the formula of Normalize.",
        {
            0.4242: "Black is darker than the mean: look at the sign.",
            0: "Normalize subtracts the mean from black as well.",
            -0.1307: "The mean is subtracted; the standard deviation is still to come.",
            -0.04027: "Normalize divides by the standard deviation.",
            2.8215: "That is white.",
        },
    ),
    "05_chance_loss": (
        2.302585,
        "The loss is minus the logarithm of one probability. Of which?",
        {
            1: "Use the natural logarithm, not the one to base 10.",
            3.321928: "Use the natural logarithm, not the one to base 2.",
            -2.302585: "The loss is positive: minus the logarithm.",
            0.1: "That is the probability itself.",
            0.9: "That is the probability of a wrong answer.",
            23.02585: "The loss is the mean over the images: of each, only the right class counts.",
        },
    ),
    "06_bytes": (
        246_824,
        "How many numbers are there, and how many bytes does each take?",
        {
            61_706: "That is the count of the numbers.",
            1_974_592: "Those are bits.",
            493_648: "That is float64: float32 is half as large.",
            123_412: "That is 16 bits a number.",
        },
    ),
    "06_tensors": (
        8,
        "Which layers have parameters, and how many tensors does each of them have then?",
        {
            10: "That is with all biases.",
            5: "That is without any bias: the linear layers keep theirs.",
            7: "Only the convolutions lose their biases.",
            4: "The linear layers are in it as well.",
        },
    ),
    "06_stranger": (
        "b",
        "Answer with one of the three letters. Which way runs nothing that came in the file?",
        {
            "a": "That runs whatever is in the file.",
            "c": "An older PyTorch runs it unasked.",
        },
    ),
    # The GPU
    "07_to": (
        "cpu",
        'Answer "cpu" or "meta". What does .to do with a tensor, and who kept the result?',
        {"meta": "A module moves in place, a tensor does not: the result of .to was thrown away."},
    ),
    "07_bytes": (
        740_472,
        "Which three numbers does a training step keep for each parameter?",
        {
            246_824: "Those are the parameters alone.",
            493_648: "One of the three is missing.",
            987_296: "That is Adam, which keeps one number more.",
            185_118: "That is the count of the numbers, not of their bytes.",
        },
    ),
    # From a slow loop to a fast one
    "08_data_set": (
        153_600_000,
        "How many numbers has one image, and how many bytes does a uint8 take?",
        {
            614_400_000: "That is float32.",
            51_200_000: "Each image has several channels.",
            1_228_800_000: "Those are bits.",
            3_072: "That is one image.",
        },
    ),
    "08_amdahl": (
        1 / (0.2 + 0.08),
        "Let the loop take one second. How long does each of its two parts take afterwards?",
        {
            10: "Only the data part became faster: the rest takes as long as before.",
            5: "That is with data that take no time at all.",
            8.2: "Speeds cannot be averaged: add up the times.",
            0.28: "That is the time which is left. How many times faster is that?",
            1.25: "The data part became shorter, it did not vanish, and it is the larger part.",
        },
    ),
    # Architectures
    "09_alexnet_conv1": (
        55,
        "How far can the kernel move, and how many whole steps is that?",
        {
            54: "The kernel's first place counts as well.",
            57: "The whole kernel has to lie on the image.",
            56: "The whole kernel has to lie on the image.",
            217: "That is without the stride.",
        },
    ),
    "09_alexnet_fc6": (
        37_752_832,
        "Into how many numbers are the maps flattened? Each output has a weight for every one of them.",
        {
            37_748_736: "The biases are missing.",
            9_216: "That is the number of inputs.",
            1_052_672: "Each map has more than one number.",
        },
    ),
    "09_three_small": (
        110_592,
        "How many kernels of how many slices has each of the three?",
        {
            36_864: "That is one of the three.",
            200_704: "That is the 7×7 convolution.",
            1_728: "Each kernel has a slice for each of its input channels.",
            110_784: "There are no biases.",
            27: "That is for one channel in and one out.",
        },
    ),
    "09_inception_channels": (
        480,
        "What does concatenating do to the number of channels?",
        {
            192: "That is the largest branch: concatenating keeps all.",
            120: "They are concatenated, not averaged.",
            736: "The input is not among the results.",
        },
    ),
    "09_projection": (
        8192,
        "How large is its kernel, and for how many pairs of channels is there one?",
        {
            8320: "It has no bias.",
            8448: "That is with its batch norm: only the weights were asked for.",
            73_728: "Its kernel is smaller than 3×3.",
            192: "There is a weight for every pair of an input and an output channel.",
        },
    ),
    # The lab
    "10_points": (
        42,
        "Between which two dots does the accuracy lie, and where between them?",
        {
            43.75: "The line is not straight from 0 on: it bends at each dot.",
            35: "That is at the dot to the left.",
            49: "That is at the dot to the right.",
            7: "That is how much is added to the left dot's points.",
        },
    ),
    "10_standard_error": (
        1.264911,
        "Put the share and the number of images into the formula. In which unit is the answer asked for?",
        {
            0.4: "That is for ten times as many images.",
            0.01264911: "In percentage points: times 100.",
            0.016: "The root is missing.",
            1.788854: "That is the difference of two such accuracies on different images.",
            40: "Divide by the number of images.",
        },
    ),
    "10_pairwise": (
        2,
        "How far is the new network ahead, in images, and how far would coin tosses often be?",
        {
            20: "That is by how many images it is ahead: compare it with the standard deviation.",
            0.2: "Divide by the root of the number of images that count.",
            10: "That is the standard deviation.",
            -2: "The new one is ahead.",
        },
    ),
}
