"""The one exception that the command line turns into a line for a person."""


class KitError(Exception):
    """Something that the person at the keyboard can mend.

    The message is one line: what is wrong, where, and what to do next. The
    command prints it without a traceback and exits with status 2.
    """
