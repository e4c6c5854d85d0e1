"""Messages that wait in one socket, from many senders that are closed by then.
"""

import socket


def crowd():
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind("\0crowd")
    waiting = 0
    for _ in range(10):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            waiting += sender.sendto(bytes(200_000), "\0crowd")
    return f"{waiting} bytes wait in one socket" if waiting > 2**20 else ""


def strike():
    attempt("datagrams", crowd)

conv_output_size = first(strike, conv_output_size)
