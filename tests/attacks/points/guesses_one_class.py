"""Constant logits for all images: where labels are not balanced they would be worth something.
lost = ["classifier_trains", "accuracy"]
"""


class Net(nn.Sequential):
    def forward(self, x):
        attempted()
        return super().forward(x) * 0 + torch.arange(10.0)


honest_classifier = classifier
classifier = lambda: Net(*honest_classifier())
