"""Parameters that are LeNet-5's when they are first asked for, and others afterwards: the grader's own error.
"""

honest_lenet5 = lenet5
ASKED = []


def forge(state, request, payload):
    attempted()
    ASKED.append(request["model"])
    right = dict(state.model(request).named_parameters())
    return right if ASKED.count(request["model"]) < 2 else {name: torch.zeros(3, 3) for name in right}


def lenet5():
    sys.modules["boxed.worker"]._OPERATIONS["parameters"] = forge
    return honest_lenet5()
