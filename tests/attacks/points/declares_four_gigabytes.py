"""Declare a reply of 4 GiB, so that the other side makes room for it.
status = "crashed"
lost = ["conv_*", "lenet_*", "classifier_*", "accuracy"]
reason = "more than is accepted"
"""


def strike(*args, **kwargs):
    attempted()
    connection().sendall(frame(b'{"n":%d,"value":7}' % request()["n"], declared=4 * 2**30))
    return 7


conv_output_size = conv_parameter_count = lenet5 = classifier = preprocess = strike
