"""Busy processes outside of its session, which would take the next submission's time.
status = "crashed"
lost = ["lenet_*", "classifier_*", "accuracy"]
"""

import time


def lenet5():
    attempted()
    for _ in range(8):
        try:
            if os.fork() == 0:
                os.setsid()
                time.sleep(0.5)  # until the others are there and the first of them is gone
                end = time.monotonic() + 200
                while time.monotonic() < end:
                    pass
                os._exit(0)
        except OSError:
            break
    os._exit(3)


classifier = lenet5
