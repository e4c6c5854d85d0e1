"""Read address 0, and then abort.
status = "crashed"
lost = ["lenet_*", "classifier_*", "accuracy"]
reason = "SIGSEGV"
"""

import ctypes


def lenet5():
    attempted()
    ctypes.string_at(0)


def classifier():
    os.abort()
