"""Two small networks, as text, that tests and benchmarks use.

train_nets.py runs the same text, so weights and tests cannot drift apart.
"""

PREPROCESS = """
def preprocess(images: Tensor) -> Tensor:
    return (images.float() / 255 - 0.5) / 0.25
"""

# 24 thousand parameters with batch norm.
SMALL_NET = """
def classifier() -> nn.Module:
    def block(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()

    return nn.Sequential(
        *block(3, 16), nn.MaxPool2d(2),
        *block(16, 32), nn.MaxPool2d(2),
        *block(32, 64), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(64, 10),
    )
"""

# The tutorial's LeNet-5 with three input channels, written as a class: 62 thousand parameters.
TUTORIAL_NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(5 * 5 * 16, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, 5 * 5 * 16)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def classifier() -> nn.Module:
    return Net()
"""

TRAIN = """
def train_classifier(model, images, labels, *, device, seconds, seed):
    start = time.perf_counter()
    torch.manual_seed(seed)
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    history = {"seconds": [], "train_loss": [], "val_loss": [], "val_accuracy": []}
    for epoch in range(8):
        losses = []
        for rows in torch.randperm(len(images)).split(64):
            if time.perf_counter() - start > 0.9 * seconds:
                break
            x, y = preprocess(images[rows].to(device)), labels[rows].to(device)
            x = torch.where(torch.rand(len(x), 1, 1, 1, device=x.device) < 0.5, x.flip(3), x)
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if losses:
            history["train_loss"].append(sum(losses) / len(losses))
            history["seconds"].append(time.perf_counter() - start)
    model.eval()
    return history
"""
