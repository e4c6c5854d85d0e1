"""Print for ever, on both streams and by the descriptors themselves.
status = "crashed"
lost = ["lenet_*", "classifier_*", "accuracy"]
reason = "printed more than 1 MiB"
silent = true
"""


def lenet5():
    while True:
        os.write(1, b"out" * 20_000)
        os.write(2, b"err" * 20_000)
        print("more" * 1000, file=sys.stderr)


classifier = lenet5
