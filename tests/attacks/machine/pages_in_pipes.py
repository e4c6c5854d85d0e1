"""Pages of files that a pipe keeps while the file lets go of them.
"""


def spliced():
    with open("pages", "wb+") as file:
        file.write(bytes(65536))
        file.seek(0)
        reading, writing = os.pipe()
        moved = libc().splice(file.fileno(), None, writing, None, 65536, 0)
        file.truncate(0)
    return f"{moved} bytes are in the pipe alone" if moved > 0 else ""


def strike():
    attempt("splice", spliced)
    attempt("tee", lambda: libc().tee(*os.pipe(), 1, 2) == 0)

conv_output_size = first(strike, conv_output_size)
