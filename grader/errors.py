"""The one exception that the command line turns into a line for a person."""


class UserError(Exception):
    """Something that the person at the keyboard can fix.

    The message is one line: what is wrong, where, and what to do next. The
    command prints it without a traceback and exits with status 2.
    """
