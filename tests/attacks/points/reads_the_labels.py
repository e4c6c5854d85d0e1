"""Read the file of labels, and those that the package has inside.
control = true
"""


def strike():
    attempt("the labels", lambda: open(CANARY["labels"], "rb").read()[:40])
    attempt("the package's", lambda: open(CANARY["package"] + "/data/labels.json").read()[:40])
    attempt("the package's folder", lambda: os.listdir(CANARY["package"]))
    attempt("the cache", lambda: os.listdir(CANARY["home"] + "/.cache"))


conv_output_size = first(strike, conv_output_size)
