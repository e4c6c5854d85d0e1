"""Sockets of which each holds one message more than its limit, as large as the limit.
status = "out_of_memory"
lost = ["lenet_*", "classifier_logits", "classifier_weights_load", "classifier_trains", "accuracy"]
reason = "MiB of memory"
"""

import socket
import time


def fill():
    kept = []
    for _ in range(100):
        sender, receiver = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for size in (120_000, 200_000):
            sender.send(bytes(size))
        kept.append(receiver)
    time.sleep(600)


def lenet5():
    attempted()
    for _ in range(10):
        if os.fork() == 0:
            fill()
    time.sleep(600)


classifier = lenet5
