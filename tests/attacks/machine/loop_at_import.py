"""An endless loop while the module is read.
status = "timeout"
lost = ["conv_*", "lenet_*", "classifier_*", "accuracy"]
"""


def strike():
    attempted()
    while True:
        pass


NEVER = strike()
honest_size = conv_output_size
conv_output_size = lambda *args: honest_size(*args, NEVER)
