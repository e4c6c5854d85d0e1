"""Answer with sparse, quantised, complex, dataless, nested and 60-dimensional tensors in turn.
lost = ["lenet_output_shape", "lenet_feature_maps", "lenet_same_function", "lenet_gradients"]
"""

import itertools

KINDS = itertools.cycle(
    [
        lambda: torch.zeros(2, 10).to_sparse(),
        lambda: torch.zeros(2, 10, dtype=torch.complex64),
        lambda: torch.zeros(2, 10, device="meta"),
        lambda: torch.quantize_per_tensor(torch.zeros(2, 10), 0.1, 0, torch.quint8),
        lambda: torch.nested.nested_tensor([torch.zeros(10), torch.zeros(9)]),
        lambda: torch.zeros((1,) * 60),
        lambda: torch.zeros(2, 10).to(torch.float8_e5m2),
    ]
)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.parts = honest_lenet5()

    def forward(self, x):
        attempted()
        return next(KINDS)()


honest_lenet5 = lenet5
lenet5 = lambda: Net()
