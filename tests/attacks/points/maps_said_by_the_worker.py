"""Ten right parameters, no network: the worker's own functions are replaced to claim maps and gradients.
lost = ["lenet_feature_maps", "lenet_same_function", "lenet_gradients"]
"""

SHAPES = [(6, 1, 5, 5), (6,), (16, 6, 5, 5), (16,), (120, 400), (120,), (84, 120), (84,), (10, 84), (10,)]
STEPS = [
    ("convolution", (1, 32, 32), (6, 28, 28)),
    ("max_pool2d", (6, 28, 28), (6, 14, 14)),
    ("convolution", (6, 14, 14), (16, 10, 10)),
    ("max_pool2d", (16, 10, 10), (16, 5, 5)),
    *(("linear", (a,), (b,)) for a, b in ((400, 120), (120, 84), (84, 10))),
]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.kept = nn.ParameterList(nn.Parameter(torch.randn(shape) / 10) for shape in SHAPES)

    def forward(self, x):
        return torch.randn(len(x), 10)


def lenet5():
    attempted()
    net, operations = Net(), sys.modules["boxed.worker"]._OPERATIONS
    operations["activations"] = lambda *args: [
        {"op": op, "inputs": [3, *before], "output": [3, *after]} for op, before, after in STEPS
    ]
    operations["outputs"] = lambda *args: [torch.randn(3, *after) for op, before, after in STEPS for _ in range(3)]
    operations["gradients"] = lambda *args: {n: torch.randn_like(p) for n, p in net.named_parameters()}
    return net
