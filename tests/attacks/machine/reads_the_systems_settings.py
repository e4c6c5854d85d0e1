"""Read what an administrator has set on this machine: /usr/local, /etc, the zone of its clock.
"""

PLACES = ("/usr/local/etc", "/usr/etc", "/usr/local/share/man", "/usr/src", "/usr/local/lib/systemd", "/opt", "/srv")
FILES = ("/etc/localtime", "/etc/ld.so.conf", "/etc/hosts", "/etc/fonts/fonts.conf", "/etc/alternatives/awk")


def strike():
    for place in PLACES:
        attempt(place, lambda: os.path.isdir(place))
    for file in FILES:
        attempt(file, lambda: open(file, "rb").read(40))


conv_output_size = first(strike, conv_output_size)
