"""System calls by another calling convention, whose numbers a filter may not know.
status = "crashed"
lost = ["lenet_*", "classifier_*", "accuracy"]
reason = "took its process down"
"""

import ctypes


def lenet5():
    attempted()
    if ctypes.CDLL(None).syscall(0x40000000 + 101, 0, 0, 0, 0) >= 0:  # x32's ptrace: the first of x86-64's two
        print("ESCAPED: ptrace by x32", flush=True)
    os.abort()


classifier = lenet5
