"""Fill the disk, and end the process at once, so that nobody tidies up.
status = "crashed"
lost = ["lenet_*", "classifier_*", "accuracy"]
"""


def lenet5():
    attempted()
    for place in (".", "/dev/shm"):
        try:
            for n in range(20):
                with open(f"{place}/{n}", "wb", buffering=0) as file:
                    for _ in range(30):
                        file.write(b"x" * 2**20)
        except OSError:
            pass
    os._exit(7)


classifier = lenet5
