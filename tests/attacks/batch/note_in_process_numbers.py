"""Leave a note in the number that the next process or thread gets.
again = true
"""

import threading


def strike():
    attempt("found", lambda: os.getpid() % 64 == 41)
    for _ in range(64):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
        if thread.native_id % 64 == 40:
            break


conv_output_size = first(strike, conv_output_size)
