"""Memory without end in the process itself.
lost = ["lenet_*"]
reason = "emory"
"""


def lenet5():
    attempted()
    kept = []
    while True:
        kept.append(b"x" * 2**24)
        if len(kept) > 256:
            print("ESCAPED: 4 GiB were given")
