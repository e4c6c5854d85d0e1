"""Connections that nobody accepts, each with what was sent before: they need no descriptor.
status = "out_of_memory"
lost = ["lenet_*", "classifier_logits", "classifier_weights_load", "classifier_trains", "accuracy"]
reason = "MiB of memory"
"""

import socket
import time


def lenet5():
    attempted()
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind("\0crowd")
    server.listen(4000)
    for _ in range(2300):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
            client.connect("\0crowd")
            for size in (120_000, 200_000):
                client.send(bytes(size))
    time.sleep(600)


classifier = lenet5
