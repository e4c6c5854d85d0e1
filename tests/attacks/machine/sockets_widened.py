"""Sockets in which more may wait than is counted for one.
"""

import socket


def widened(option):
    one, other = socket.socketpair()
    before = one.getsockopt(socket.SOL_SOCKET, option)
    one.setsockopt(socket.SOL_SOCKET, option, 2**30)
    after = one.getsockopt(socket.SOL_SOCKET, option)
    return f"{before} to {after}" if after > before else ""


def strike():
    attempt("send buffer", lambda: widened(socket.SO_SNDBUF))
    attempt("receive buffer", lambda: widened(socket.SO_RCVBUF))

conv_output_size = first(strike, conv_output_size)
