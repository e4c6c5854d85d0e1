"""Training that learns nothing: it scales the last layer down, which lowers the loss of bad logits.
lost = ["classifier_trains"]
"""


def train_classifier(model, images, labels, *, device, seconds, seed):
    attempted()
    with torch.no_grad():
        for parameter in list(model.parameters())[-2:]:
            parameter.mul_(0.01)
