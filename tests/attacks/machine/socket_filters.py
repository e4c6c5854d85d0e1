"""Programs that the kernel keeps with a socket and runs for each message.
"""

import ctypes
import socket
import struct


def attach(option):
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0xFFFF))
    one, other = socket.socketpair()
    one.setsockopt(socket.SOL_SOCKET, option, struct.pack("HxxxxxxQ", 1, ctypes.addressof(code)))
    return "it holds one"


def strike():
    attempt("SO_ATTACH_FILTER", lambda: attach(26))
    attempt("SO_PEEK_OFF", lambda: socket.socketpair()[0].setsockopt(socket.SOL_SOCKET, 42, 5) is None)

conv_output_size = first(strike, conv_output_size)
