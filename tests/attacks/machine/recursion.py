"""Recursion without end, with Python's own limit raised, so that the C stack runs over.
status = "crashed"
lost = ["lenet_*", "classifier_*", "accuracy"]
"""


class Deep:
    def __getattr__(self, name):
        return getattr(self, name + "x")

    def __repr__(self):
        return repr([self])


def lenet5():
    attempted()
    sys.setrecursionlimit(10**9)
    return repr(Deep())


classifier = lenet5
