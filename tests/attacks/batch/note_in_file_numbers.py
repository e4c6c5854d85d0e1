"""Leave a note in the numbers that the next files get.
again = true
"""


def number(folder):
    path = f"{folder}/numbered"
    open(path, "w").close()
    found = os.stat(path).st_ino
    os.unlink(path)
    return found


conv_output_size = first(lambda: note_in_counts(number), conv_output_size)
