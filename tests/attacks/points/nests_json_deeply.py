"""A reply whose JSON is nested four hundred thousand deep, so that whoever reads it falls over.
status = "crashed"
lost = ["conv_*", "lenet_*", "classifier_*", "accuracy"]
"""


def strike(*args, **kwargs):
    attempted()
    deep = b"[" * 400_000 + b"]" * 400_000
    connection().sendall(frame(b'{"n":%d,"value":%s}' % (request()["n"], deep)))
    return 7


conv_output_size = conv_parameter_count = lenet5 = classifier = preprocess = strike
