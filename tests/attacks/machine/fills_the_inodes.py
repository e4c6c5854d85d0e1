"""Hundreds of thousands of empty files, folders and links.
status = "crashed"
lost = ["lenet_*", "classifier_*", "accuracy"]
reason = "files"
"""


def lenet5():
    attempted()
    for n in range(150_000):
        os.mknod(f"f{n}")
        os.symlink("/", f"l{n}")
    print("ESCAPED: all were made", flush=True)


classifier = lenet5
