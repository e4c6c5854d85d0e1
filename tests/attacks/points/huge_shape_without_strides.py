"""Answer with a tensor of four bytes whose shape says a trillion numbers.
lost = ["classifier_preprocess", "classifier_trains", "classifier_logits", "accuracy"]
"""


def preprocess(images):
    attempted()
    return torch.zeros(1).expand(2**40)
