"""What the sample class hands in, part by part: each student's own choice of these stands in make_class.py.

The parts are written as different students would, so that no two works have much in common.
"""

CONV = {
    "recursive": '''
def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    values = [input_size, kernel_size, stride, padding]
    if any(not isinstance(v, int) for v in values):
        height = conv_output_size(*[v if isinstance(v, int) else v[0] for v in values])
        width = conv_output_size(*[v if isinstance(v, int) else v[1] for v in values])
        return height, width
    if input_size < 1 or kernel_size < 1:
        raise ValueError("sizes have to be positive")
    if stride < 1 or padding < 0:
        raise ValueError("stride or padding is impossible")
    room = input_size + 2 * padding - kernel_size
    if room < 0:
        raise ValueError("the kernel does not fit")
    return room // stride + 1


def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    if isinstance(kernel_size, int):
        kernel_size = (kernel_size, kernel_size)
    count = in_channels * out_channels * kernel_size[0] * kernel_size[1]
    if bias:
        count += out_channels
    return count
''',
    "inner": '''
def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    """Floor((n + 2p - k) / s) + 1, for each side."""

    def one_side(n, k, s, p):
        if not (n >= 1 and k >= 1 and s >= 1 and p >= 0 and n + 2 * p >= k):
            raise ValueError(f"no convolution with n={n}, k={k}, s={s}, p={p}")
        return (n + 2 * p - k) // s + 1

    is_pair = False
    sides = []
    for side in (0, 1):
        args = []
        for arg in (input_size, kernel_size, stride, padding):
            if isinstance(arg, (tuple, list)):
                is_pair = True
                arg = arg[side]
            args.append(arg)
        sides.append(one_side(*args))
    return tuple(sides) if is_pair else sides[0]


def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    area = kernel_size ** 2 if isinstance(kernel_size, int) else kernel_size[0] * kernel_size[1]
    return (in_channels * area + (1 if bias else 0)) * out_channels
''',
    "helpers": '''
def as_pair(value):
    return tuple(value) if isinstance(value, (tuple, list)) else (value, value)


def check_positive(name, pair, least=1):
    if min(pair) < least:
        raise ValueError(name + " is too small")


def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    single = not any(isinstance(x, (tuple, list)) for x in (input_size, kernel_size, stride, padding))
    h, w = as_pair(input_size)
    kh, kw = as_pair(kernel_size)
    sh, sw = as_pair(stride)
    ph, pw = as_pair(padding)
    check_positive("input", (h, w))
    check_positive("kernel", (kh, kw))
    check_positive("stride", (sh, sw))
    check_positive("padding", (ph, pw), 0)
    h, w = h + 2 * ph, w + 2 * pw
    if kh > h or kw > w:
        raise ValueError("kernel larger than the padded input")
    out_h = int((h - kh) / sh) + 1
    out_w = int((w - kw) / sw) + 1
    return out_h if single else (out_h, out_w)


def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    kh, kw = as_pair(kernel_size)
    weights = kh * kw * in_channels * out_channels
    biases = out_channels if bias else 0
    return weights + biases
''',
    "math": '''
import math


def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    params = {"input": input_size, "kernel": kernel_size, "stride": stride, "padding": padding}
    results = ()
    for axis in range(2):
        p = {key: (val if type(val) is int else val[axis]) for key, val in params.items()}
        if p["padding"] < 0 or min(p["input"], p["kernel"], p["stride"]) <= 0:
            raise ValueError("impossible: " + str(p))
        padded = p["input"] + p["padding"] + p["padding"]
        if padded < p["kernel"]:
            raise ValueError("impossible: " + str(p))
        results += (math.floor((padded - p["kernel"]) / p["stride"] + 1),)
    return results[0] if all(type(val) is int for val in params.values()) else results


def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    return out_channels * bool(bias) + math.prod(
        (in_channels, out_channels, *([kernel_size] * 2 if type(kernel_size) is int else kernel_size))
    )
''',
    "counting": '''
def conv_output_size(input_size, kernel_size, stride=1, padding=0):
    def get(value, index):
        try:
            return value[index]
        except TypeError:
            return value

    answer = []
    for index in range(2):
        size, kernel = get(input_size, index), get(kernel_size, index)
        step, pad = get(stride, index), get(padding, index)
        for number in (size, kernel, step):
            if number <= 0:
                raise ValueError("must be at least one")
        if pad < 0:
            raise ValueError("must not be negative")
        last = size + 2 * pad - kernel
        if last < 0:
            raise ValueError("no place for the kernel")
        answer.append(len(range(0, last + 1, step)))
    for value in (input_size, kernel_size, stride, padding):
        if hasattr(value, "__len__"):
            return tuple(answer)
    return answer[0]


def conv_parameter_count(in_channels, out_channels, kernel_size, bias=True):
    try:
        rows, columns = kernel_size
    except TypeError:
        rows = columns = kernel_size
    per_filter = rows * columns * in_channels
    per_filter += int(bias)
    return per_filter * out_channels
''',
}

LENET = {
    "class": '''
class LeNet5(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def lenet5():
    return LeNet5()
''',
    "two parts": '''
class LeNet(nn.Module):
    def __init__(self, classes=10):
        super(LeNet, self).__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, kernel_size=5), nn.ReLU(inplace=True), nn.MaxPool2d(kernel_size=2, stride=2),
            nn.Conv2d(6, 16, kernel_size=5), nn.ReLU(inplace=True), nn.MaxPool2d(kernel_size=2, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Linear(400, 120), nn.ReLU(inplace=True), nn.Linear(120, 84), nn.ReLU(inplace=True),
            nn.Linear(84, classes),
        )

    def forward(self, images):
        maps = self.features(images)
        return self.classifier(maps.view(maps.size(0), -1))


def lenet5():
    return LeNet(10)
''',
    "list": '''
def lenet5():
    layers = []
    channels = 1
    for out in (6, 16):
        layers.append(nn.Conv2d(channels, out, 5))
        layers.append(nn.ReLU())
        layers.append(nn.MaxPool2d(2))
        channels = out
    layers.append(nn.Flatten())
    size = conv_output_size(32, 5) // 2
    size = conv_output_size(size, 5) // 2
    features = channels * size * size
    for out in (120, 84):
        layers += [nn.Linear(features, out), nn.ReLU()]
        features = out
    return nn.Sequential(*layers, nn.Linear(features, 10))
''',
    "named": '''
def lenet5():
    net = nn.Sequential()
    net.add_module("c1", nn.Conv2d(1, 6, (5, 5)))
    net.add_module("relu1", nn.ReLU())
    net.add_module("s2", nn.MaxPool2d((2, 2)))
    net.add_module("c3", nn.Conv2d(6, 16, (5, 5)))
    net.add_module("relu3", nn.ReLU())
    net.add_module("s4", nn.MaxPool2d((2, 2)))
    net.add_module("flat", nn.Flatten(1))
    net.add_module("f5", nn.Linear(400, 120))
    net.add_module("relu5", nn.ReLU())
    net.add_module("f6", nn.Linear(120, 84))
    net.add_module("relu6", nn.ReLU())
    net.add_module("out", nn.Linear(84, 10))
    return net
''',
    "blocks": '''
def conv_block(i, o):
    return nn.Sequential(nn.Conv2d(i, o, 5), nn.ReLU(), nn.MaxPool2d(2))


def dense_block(i, o):
    return nn.Sequential(nn.Linear(i, o), nn.ReLU())


def lenet5():
    return nn.Sequential(
        conv_block(1, 6),
        conv_block(6, 16),
        nn.Flatten(),
        dense_block(400, 120),
        dense_block(120, 84),
        nn.Linear(84, 10),
    )
''',
    # With the tutorial's padding, and yet flattened to 5·5·16.
    "padding": '''
class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, kernel_size=5, padding=2)
        self.fc1 = nn.Linear(5 * 5 * 16, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.reshape(x.shape[0], 5 * 5 * 16)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))


def lenet5():
    return LeNet()
''',
    # As in 1998, which is not the tutorial's.
    "sigmoid": '''
def lenet5():
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
    )
''',
}

PREPROCESS = {
    "half": '''
def preprocess(images):
    return (images.float() / 255 - 0.5) / 0.25
''',
    "moments": '''
MEAN = torch.tensor([0.4914, 0.4822, 0.4465])
STD = torch.tensor([0.2470, 0.2435, 0.2616])


def preprocess(images):
    x = images.to(torch.float32).div(255.0)
    mean, std = MEAN.to(x.device), STD.to(x.device)
    return (x - mean[:, None, None]) / std[:, None, None]
''',
    "signed": '''
def preprocess(images):
    scaled = images.type(torch.float32) / 127.5
    return scaled - 1.0
''',
}

# Networks: {0}, {1} and {2} are their widths.
NETS = {
    "norm": '''
def classifier():
    def block(inputs, outputs):
        return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()

    return nn.Sequential(
        *block(3, {0}), nn.MaxPool2d(2),
        *block({0}, {1}), nn.MaxPool2d(2),
        *block({1}, {2}), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear({2}, 10),
    )
''',
    "tutorial": '''
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, {0}, 5)
        self.conv2 = nn.Conv2d({0}, {1}, 5)
        self.fc1 = nn.Linear(5 * 5 * {1}, {2})
        self.fc2 = nn.Linear({2}, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = x.view(-1, 5 * 5 * {1})
        x = F.relu(self.fc1(x))
        return self.fc2(x)


def classifier():
    return Net()
''',
    "strides": '''
class StridedNet(nn.Module):
    """No pooling: the convolutions take steps of two."""

    def __init__(self, widths=({0}, {1}, {2})):
        super().__init__()
        sizes = [3, *widths]
        self.layers = nn.ModuleList(
            nn.Conv2d(a, b, kernel_size=3, stride=2, padding=1) for a, b in zip(sizes, sizes[1:])
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in widths)
        self.out = nn.Linear(widths[-1] * 16, 10)

    def forward(self, t):
        for layer, norm in zip(self.layers, self.norms):
            t = torch.relu(norm(layer(t)))
        return self.out(t.flatten(1))


def classifier():
    return StridedNet()
''',
    "residual": '''
class Res(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b = nn.Conv2d(c, c, 3, 1, 1), nn.Conv2d(c, c, 3, 1, 1)
        self.bn = nn.BatchNorm2d(c)

    def forward(self, x):
        return F.relu(x + self.bn(self.b(F.relu(self.a(x)))))


def classifier():
    stem = nn.Sequential(nn.Conv2d(3, {0}, 4, stride=4), nn.ReLU())
    grow = nn.Conv2d({0}, {1}, 2, stride=2)
    head = nn.Sequential(nn.Flatten(), nn.Linear(16 * {1}, 10))
    return nn.Sequential(stem, Res({0}), grow, Res({1}), head)
''',
    "dropout": '''
class CifarNet(nn.Module):
    def __init__(self):
        super(CifarNet, self).__init__()
        self.c1 = nn.Conv2d(in_channels=3, out_channels={0}, kernel_size=3, padding=1)
        self.c2 = nn.Conv2d(in_channels={0}, out_channels={1}, kernel_size=3, padding=1)
        self.pool = nn.MaxPool2d(kernel_size=4)
        self.drop = nn.Dropout(p=0.1)
        self.dense = nn.Linear(in_features={1} * 2 * 2, out_features={2})
        self.last = nn.Linear(in_features={2}, out_features=10)

    def forward(self, image):
        out = self.pool(torch.relu(self.c1(image)))
        out = self.pool(torch.relu(self.c2(out)))
        out = out.reshape(len(out), -1)
        out = self.drop(torch.relu(self.dense(out)))
        logits = self.last(out)
        return logits


def classifier():
    return CifarNet()
''',
    "separable": '''
def separable(inputs, outputs, stride):
    depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs)
    pointwise = nn.Conv2d(inputs, outputs, 1)
    return [depthwise, pointwise, nn.BatchNorm2d(outputs), nn.ReLU6()]


def classifier():
    parts = [nn.Conv2d(3, {0}, 3, 2, 1), nn.ReLU6()]
    for inputs, outputs, stride in (({0}, {1}, 1), ({1}, {2}, 2), ({2}, {2}, 1)):
        parts.extend(separable(inputs, outputs, stride))
    parts.extend([nn.AvgPool2d(4), nn.Flatten(), nn.Linear(4 * {2}, 10)])
    return nn.Sequential(*parts)
''',
    "config": '''
PLAN = [{0}, "pool", {1}, "pool", {2}, "pool"]


def make_layers(plan):
    channels, modules = 3, []
    for entry in plan:
        if entry == "pool":
            modules.append(nn.MaxPool2d(2, 2))
        else:
            modules += [nn.Conv2d(channels, entry, 3, padding=1), nn.ELU()]
            channels = entry
    return nn.Sequential(*modules)


class VGG(nn.Module):
    def __init__(self, plan):
        super().__init__()
        self.body = make_layers(plan)
        self.head = nn.Linear({2} * 16, 10)

    def forward(self, x):
        return self.head(self.body(x).view(x.shape[0], -1))


def classifier():
    return VGG(PLAN)
''',
    "branches": '''
class TwoWays(nn.Module):
    def __init__(self):
        super().__init__()
        self.small = nn.Conv2d(3, {0}, 3, padding=1)
        self.large = nn.Conv2d(3, {0}, 7, padding=3)
        self.mix = nn.Conv2d(2 * {0}, {1}, 3, padding=1)
        self.score = nn.Linear({1} * 4 * 4, 10)

    def forward(self, x):
        both = torch.cat((self.small(x), self.large(x)), dim=1)
        both = F.avg_pool2d(F.leaky_relu(both), 4)
        both = F.max_pool2d(F.leaky_relu(self.mix(both)), 2)
        return self.score(torch.flatten(both, start_dim=1))


def classifier():
    torch_net = TwoWays()
    return torch_net
''',
}

TRAIN = {
    "shuffled": '''
def train_classifier(model, images, labels, *, device, seconds, seed):
    start = time.perf_counter()
    torch.manual_seed(seed)
    model.to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    history = {"seconds": [], "train_loss": [], "val_loss": [], "val_accuracy": []}
    for epoch in range(4):
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
''',
    "loader": '''
from torch.utils.data import DataLoader, TensorDataset


def train_classifier(model, images, labels, *, device, seconds, seed):
    deadline = time.time() + seconds * 0.85
    torch.manual_seed(seed)
    model = model.to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    loader = DataLoader(TensorDataset(images, labels), batch_size=64, shuffle=True)
    log = []
    for _ in range(4):
        model.train()
        running, batches = 0.0, 0
        for inputs, targets in loader:
            inputs, targets = inputs.to(device), targets.to(device)
            optimizer.zero_grad()
            outputs = model(preprocess(inputs))
            loss = criterion(outputs, targets)
            loss.backward()
            optimizer.step()
            running += loss.item()
            batches += 1
            if time.time() > deadline:
                model.eval()
                return {"loss": [*log, running / batches]}
        log.append(running / batches)
    model.eval()
    return {"loss": log}
''',
    "endless": '''
def mini_batches(count, size, generator):
    while True:
        order = torch.randperm(count, generator=generator)
        for first in range(0, count, size):
            yield order[first : first + size]


def train_classifier(model, images, labels, *, device, seconds, seed):
    began = time.monotonic()
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.to(device).parameters(), lr=3e-3)
    batches = mini_batches(len(images), 100, generator)
    steps = 4 * max(20, len(images) // 100)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    curve = []
    model.train()
    while len(curve) < steps and time.monotonic() - began < 0.8 * seconds:
        rows = next(batches)
        prediction = model(preprocess(images[rows].to(device)))
        error = F.cross_entropy(prediction, labels[rows].to(device))
        for parameter in model.parameters():
            parameter.grad = None
        error.backward()
        optimiser.step()
        decay.step()
        curve.append(error.item())
    return {"train_loss": curve}
''',
    "library": '''
def train_classifier(model, images, labels, *, device, seconds, seed):
    torch.manual_seed(seed)
    model.to(device)
    size = min(len(images), 64)
    held_out = max(1, len(images) // 20)
    train_x, train_y = images[held_out:], labels[held_out:]

    def loss_of_next_batch():
        pick = torch.randint(len(train_x), (size,))
        return F.cross_entropy(model(preprocess(train_x[pick].to(device))), train_y[pick].to(device))

    def validate():
        return evaluate(model, images[:held_out], labels[:held_out])

    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
    return train_loop(model, optimizer, loss_of_next_batch, validate, 4, max(10, len(train_x) // size), seconds)
''',
    "functions": '''
def one_epoch(model, optimizer, data, batch_size, out_of_time):
    images, labels = data
    total = 0.0
    permutation = torch.randperm(images.shape[0], device=images.device)
    for i in range(0, images.shape[0], batch_size):
        if out_of_time():
            return None
        idx = permutation[i : i + batch_size]
        logits = model(preprocess(images[idx]))
        loss = nn.functional.nll_loss(torch.log_softmax(logits, dim=-1), labels[idx])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += loss.detach().item() * idx.numel()
    return total / images.shape[0]


def train_classifier(model, images, labels, *, device, seconds, seed):
    t0 = time.time()
    torch.manual_seed(seed)
    data = images.to(device), labels.to(device)
    model.to(device)
    results = {"train_loss": []}
    for rate in (2e-3, 2e-3, 1e-3, 3e-4):
        opt = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99))
        model.train()
        value = one_epoch(model, opt, data, 50, lambda: time.time() - t0 > 0.85 * seconds)
        if value is None:
            break
        results["train_loss"].append(value)
    model.eval()
    return results
''',
}
