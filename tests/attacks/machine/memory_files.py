"""Memory by files: memfds, and files in every folder that lies in memory, deleted but still open.
"""

import os


def strike():
    attempt("memfd_create", lambda: os.memfd_create("x"))
    attempt("memfd_secret", lambda: syscall(447, 0))
    kept = []
    for folder in (".", "/dev/shm", "/tmp"):
        try:
            for n in range(40):
                kept.append(os.open(f"{folder}/map{n}", os.O_RDWR | os.O_CREAT))
                os.unlink(f"{folder}/map{n}")
                os.write(kept[-1], b"x" * 2**23)
        except OSError as error:
            print("refused:", folder, error)
    total = sum(os.fstat(descriptor).st_size for descriptor in kept)
    attempt("files in memory", lambda: total > 100 * 2**20)
    for descriptor in kept:
        os.close(descriptor)


conv_output_size = first(strike, conv_output_size)
