"""Whatever is asked for sleeps, so that all time and every second asking is used up, one after the other.
status = "timeout"
lost = ["conv_*", "lenet_*", "classifier_*", "accuracy"]
reason = "longer than"
"""

import time


def strike(*args, **kwargs):
    attempted()
    time.sleep(600)


conv_output_size = conv_parameter_count = lenet5 = preprocess = classifier = train_classifier = strike
