"""The model sees every test image, says that memory is out, and means to use what it saw when it is asked again.
"""

SEEN = []
honest_classifier = classifier


class Net(nn.Sequential):
    def forward(self, x):
        if not self.training and len(x) in (100, 12, 4) and x.shape[1:] == (3, 32, 32):
            SEEN.append(len(x))
            if sum(SEEN) == 200:
                attempted()
                raise MemoryError
            if sum(SEEN) > 200:
                print(f"ESCAPED: a second look, after {SEEN[:3]}", flush=True)
        return super().forward(x)


def classifier():
    return Net(*honest_classifier())
