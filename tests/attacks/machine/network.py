"""Reach out: TCP, UDP, names, raw packets, and sockets of every other family.
control = true
"""

import socket


def send(kind, port):
    with socket.socket(socket.AF_INET, kind) as out:
        out.settimeout(1)
        out.connect(("127.0.0.1", port))
        return out.send(b"hello")


def strike():
    attempt("tcp", lambda: send(socket.SOCK_STREAM, CANARY["tcp"]))
    attempt("udp", lambda: send(socket.SOCK_DGRAM, CANARY["udp"]))
    attempt("a name", lambda: socket.getaddrinfo("example.com", 80))
    attempt("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))
    for family in range(2, 46):
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
            try:
                socket.socket(family, kind).close()
                print("ESCAPED: a socket of family", family)
            except OSError:
                pass


conv_output_size = first(strike, conv_output_size)
