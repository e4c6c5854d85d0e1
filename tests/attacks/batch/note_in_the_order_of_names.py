"""Leave a note in how many names a folder ever had, which Linux tells by the places of those that it has.
again = true
"""

import ctypes


def place_of_a_new_name(folder):
    c = libc()
    c.opendir.restype, c.telldir.restype = ctypes.c_void_p, ctypes.c_long
    path = f"{folder}/placed"
    open(path, "w").close()
    stream = ctypes.c_void_p(c.opendir(folder.encode()))
    c.readdir(stream)
    c.readdir(stream)  # the two names that all folders have; the newest comes next
    place = c.telldir(stream)
    c.closedir(stream)
    os.unlink(path)
    return place


conv_output_size = first(lambda: note_in_counts(place_of_a_new_name), conv_output_size)
