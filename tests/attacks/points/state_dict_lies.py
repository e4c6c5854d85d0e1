"""A model whose state_dict and load_state_dict take any weights, and leave its own as they are.
lost = ["accuracy"]
"""


def untrained():
    """All images get the first class, so that luck earns nothing."""
    layer = nn.Linear(192, 10)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


class Net(nn.Sequential):
    def state_dict(self, *args, **kwargs):
        attempted()
        return honest_classifier().state_dict()

    def load_state_dict(self, *args, **kwargs):
        return None


honest_classifier = classifier
classifier = lambda: Net(nn.AvgPool2d(4), nn.Flatten(), untrained())
