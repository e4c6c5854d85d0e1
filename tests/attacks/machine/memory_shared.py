"""Shared memory without a name, which is in no single process's account.
status = "out_of_memory"
lost = ["lenet_*", "classifier_logits", "classifier_weights_load", "classifier_trains", "accuracy"]
reason = "MiB of memory"
"""

import mmap
import time


def lenet5():
    attempted()
    for _ in range(4):
        if os.fork() == 0:
            area = mmap.mmap(-1, 300 * 2**20)
            for start in range(0, len(area), 2**22):
                area[start : start + 2**22] = b"x" * 2**22
            area.madvise(mmap.MADV_DONTNEED)
            time.sleep(600)
    time.sleep(600)


classifier = lenet5
