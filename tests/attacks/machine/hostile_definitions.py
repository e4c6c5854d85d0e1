"""Work done where functions are defined: decorators, default arguments, metaclasses, class bodies.
"""


def note(what):
    attempted()
    attempt(what, lambda: open(CANARY["file"]).read())
    return what


class Meta(type):
    def __new__(cls, name, bases, names):
        note("metaclass")
        return super().__new__(cls, name, bases, names)

    def __instancecheck__(cls, instance):
        return True


class Body(metaclass=Meta):
    default = note("class body")


def decorated(function):
    note("decorator")
    return function


honest_size = conv_output_size


@decorated
def conv_output_size(*args, _default=note("default"), _body=Body, **kwargs):
    return honest_size(*args, **kwargs)
