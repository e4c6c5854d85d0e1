"""Threads that never end, as many as there can be.
status = "timeout"
lost = ["lenet_*", "classifier_logits", "classifier_weights_load", "classifier_trains", "accuracy"]
"""

import threading
import time


def lenet5():
    attempted()
    count = 0
    while True:
        try:
            threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
            count += 1
        except RuntimeError:
            time.sleep(0.1)
        if count > 200:
            print("ESCAPED: more than 200 threads", flush=True)
            time.sleep(600)


classifier = lenet5
