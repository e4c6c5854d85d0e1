"""Write, link and rename outside of its own folder: into results, home, the runtime and the system.
control = true
"""


def strike():
    attempt("the gradebook", lambda: open(CANARY["gradebook"], "a").write("me: 104"))
    attempt("the results", lambda: os.mkdir(CANARY["results"] + "/written") is None)
    attempt("a secret", lambda: os.rename(CANARY["file"], CANARY["file"] + "x") is None)
    attempt("a hard link", lambda: os.link(CANARY["file"], "linked") is None)
    if os.path.exists("/kit"):  # in a sandbox: without one this would be the real system
        places = ["/", "/usr", "/etc", "/kit", "/kit/boxed", "/lib", "/proc", "/dev", "/var", "/run", "/opt"]
        for place in [*places, "/root", "/home", sys.prefix, torch.__path__[0]]:
            attempt(place, lambda: open(f"{place}/written-by-lab8", "w").close() is None)
        attempt("python itself", lambda: open(os.path.realpath(sys.executable), "r+b"))
        attempt("the worker", lambda: open("/kit/boxed/worker.py", "a"))


conv_output_size = first(strike, conv_output_size)
