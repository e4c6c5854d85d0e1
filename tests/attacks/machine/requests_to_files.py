"""Requests to files that are no device: namespaces, maps, attributes, queues.
"""

import fcntl


def request(path, number, size=64):
    with open(path, "rb") as file:
        fcntl.ioctl(file, number, bytes(size))
        return "it is answered"


def strike():
    attempt("NS_GET_USERNS", lambda: fcntl.ioctl(os.open("/proc/self/ns/uts", 0), 0xB701) >= 0)
    attempt("NS_GET_NSTYPE", lambda: request("/proc/self/ns/net", 0xB703, 0))
    attempt("PIDFD_GET_NET_NAMESPACE", lambda: fcntl.ioctl(os.pidfd_open(os.getpid()), 0xFF04) >= 0)
    attempt("FS_IOC_GETFLAGS", lambda: request("/usr/bin/env", 0x80086601))
    attempt("FIOQSIZE", lambda: request(__file__, 0x5460))
    attempt("PAGEMAP_SCAN", lambda: request("/proc/self/pagemap", 0xC0606610, 96))

conv_output_size = first(strike, conv_output_size)
