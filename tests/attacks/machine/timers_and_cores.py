"""Timers that go off later, in every clock, and a core dump at the end.
status = "crashed"
lost = ["lenet_*", "classifier_*", "accuracy"]
reason = "took its process down"
"""

import resource
import signal


def lenet5():
    attempted()
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (-1, -1))
        print("ESCAPED: cores can be written")
    except (OSError, ValueError):
        pass
    for kind in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(kind, 0.2, 0.2)
    while True:
        pass


classifier = lenet5
