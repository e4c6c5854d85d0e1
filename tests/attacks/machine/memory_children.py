"""Memory in four children at once, each below what a process may have.
status = "out_of_memory"
lost = ["lenet_*", "classifier_logits", "classifier_weights_load", "classifier_trains", "accuracy"]
reason = "MiB of memory"
"""

import time


def lenet5():
    attempted()
    for _ in range(4):
        if os.fork() == 0:
            kept = [b"x" * 2**22 for _ in range(75)]
            time.sleep(600)
            os._exit(len(kept))
    time.sleep(600)


classifier = lenet5
