"""Read environment variables: its own, and those of other processes.
control = true
"""

import glob


def strike():
    names = [n for n in os.environ if "SECRET" in n or "GRADER" in n or "PYTEST" in n]
    attempt("its own", lambda: names)
    attempt("the victim's", lambda: open(f"/proc/{CANARY['victim']}/environ").read())
    attempt("the grader's", lambda: open(f"/proc/{CANARY['grader']}/cmdline").read())
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            text = open(path).read()
        except OSError:
            continue
        attempt(path, lambda: "canary" in text)


conv_output_size = first(strike, conv_output_size)
