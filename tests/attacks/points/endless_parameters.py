"""A model whose parameters have no end.
lost = ["lenet_parameter_shapes", "lenet_feature_maps", "lenet_same_function", "lenet_gradients"]
reason = "longer than"
"""


class Net(nn.Sequential):
    def named_parameters(self, *args, **kwargs):
        attempted()
        while True:
            yield "weight", nn.Parameter(torch.zeros(2))


honest_lenet5 = lenet5
lenet5 = lambda: Net(*honest_lenet5())
