"""An exception whose text takes for ever to write, and prints while it does.
status = "timeout"
lost = ["conv_*", "lenet_*", "classifier_*", "accuracy"]
"""


class Error(Exception):
    def __str__(self):
        attempted()
        while True:
            pass

    __repr__ = __str__


def conv_output_size(*args, **kwargs):
    raise Error


conv_parameter_count = lenet5 = classifier = preprocess = conv_output_size
