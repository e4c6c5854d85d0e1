"""A model whose state_dict and load_state_dict take any weights, and leave its own as they are.
lost = ["accuracy"]
"""


class Net(nn.Sequential):
    def state_dict(self, *args, **kwargs):
        attempted()
        return honest_classifier().state_dict()

    def load_state_dict(self, *args, **kwargs):
        return None


honest_classifier = classifier
classifier = lambda: Net(nn.Flatten(), nn.Linear(3072, 10))
