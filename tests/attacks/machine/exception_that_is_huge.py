"""An exception whose text is 300 MB of escape sequences, with a cause, and a cause of that.
lost = ["conv_*"]
"""


class Error(Exception):
    def __str__(self):
        attempted()
        return "\x1b[2J\x1b]0;title\x07<script>" * 10_000_000


def conv_output_size(*args, **kwargs):
    try:
        raise Error
    except Error as error:
        raise Error from error


conv_parameter_count = conv_output_size
