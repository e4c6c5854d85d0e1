"""An endless loop inside a function, with every signal ignored that can be.
status = "timeout"
lost = ["lenet_*", "classifier_logits", "classifier_weights_load", "classifier_trains", "accuracy"]
"""

import signal


def lenet5():
    attempted()
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        pass


classifier = lenet5
