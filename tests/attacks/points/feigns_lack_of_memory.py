"""The model sees every test image, says that memory is out, and means to use what it saw when it is asked again.
"""

SEEN = []
honest_classifier = classifier


class Net(nn.Sequential):
    def forward(self, x):
        if not self.training and len(x) in (100, 12, 4) and x.shape[1:] == (3, 32, 32):
            if 1000 in SEEN:
                print("ESCAPED: a second look", flush=True)
            SEEN.append(len(x))
            if SEEN == [100] * 4:  # two of the test images' batches, and two of others between them
                attempted()
                SEEN.append(1000)
                raise MemoryError
        return super().forward(x)


def classifier():
    return Net(*honest_classifier())
