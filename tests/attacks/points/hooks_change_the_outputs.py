"""A hook on every module of the process replaces what layers give.
lost = ["lenet_feature_maps", "lenet_same_function", "lenet_gradients", "classifier_trains"]
"""


def strike():
    attempted()
    nn.modules.module.register_module_forward_hook(lambda module, inputs, output: output * 0 + 1)


lenet5 = first(strike, lenet5)
