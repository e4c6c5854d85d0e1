"""Reach servers outside by their socket's path and by a name in the abstract space.
control = true
"""

import socket


def reach(address):
    with socket.socket(socket.AF_UNIX) as out:
        out.connect(address)
        return out.send(b"hello")


def abstract():
    return [line.split()[-1] for line in open("/proc/net/unix") if "@canary" in line]


def strike():
    attempt("a path", lambda: reach(CANARY["unix"]))
    attempt("through /proc/1/root", lambda: reach("/proc/1/root" + CANARY["unix"]))
    attempt("names", abstract)
    attempt("abstract", lambda: reach("\0" + abstract()[0][1:]))
    for path in ("/run/dbus/system_bus_socket", "/var/run/docker.sock", "/run/systemd/private", "/dev/log"):
        attempt(path, lambda: reach(path))


conv_output_size = first(strike, conv_output_size)
