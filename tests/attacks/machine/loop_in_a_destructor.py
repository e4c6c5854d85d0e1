"""An endless loop in the destructor of what is returned, and in a function for the process's end.
status = "timeout"
lost = ["lenet_*", "classifier_logits", "classifier_weights_load", "classifier_trains", "accuracy"]
"""

import atexit


class Net(nn.Module):
    def __del__(self):
        attempted()
        while True:
            pass

    def to(self, device):
        return self.another()

    def another(self):
        return honest_lenet5()


def forever():
    while True:
        pass


atexit_registered = atexit.register(forever)
honest_lenet5 = lenet5
lenet5 = classifier = lambda: (atexit_registered, Net())[1]
