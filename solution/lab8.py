# %% [markdown]
# # Lab 8: convolutional networks
# Three tasks: the arithmetic of a convolution, LeNet-5, and an image classifier of your own.
# Whatever raises `NotImplementedError` is yours to write; all the rest works as it stands.
# Keep the six functions' names and arguments: the grader calls them, and takes over what they
# refer to. Nothing else at the top level is run, so experiment as you like.

# %%
from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Whole = int | tuple[int, int]  # one number for height and width alike, or (height, width)
History = dict[str, list[float]]  # one number an epoch

# %% [markdown]
# ## Task 1: the arithmetic of a convolution
# A kernel slides over the padded image in steps of `stride`. How often does it fit, how much does it learn?


# %%
def conv_output_size(input_size: Whole, kernel_size: Whole, stride: Whole = 1, padding: Whole = 0) -> Whole:
    """Return the output size, in pixels, of a convolution without dilation.

    Each argument is an int, or a pair (height, width); `padding` is added on both sides.
    Returns an int, or a pair where any argument is a pair. Raises ValueError where no such
    convolution exists: a size, kernel or stride below 1, a negative padding, or a kernel
    that is larger than the padded input.

    >>> conv_output_size(32, 5), conv_output_size((7, 9), 3, stride=2)
    (28, (3, 4))
    """
    # BEGIN SOLUTION Task 1a: write conv_output_size
    # HINT how many whole steps fit behind the kernel's first place?
    # HINT turn every argument into a pair first, then treat height and width alike
    arguments = (input_size, kernel_size, stride, padding)
    pairs = [(value, value) if isinstance(value, int) else value for value in arguments]
    sizes = []
    for size, kernel, step, pad in zip(*pairs, strict=True):  # the heights, then the widths
        if min(size, kernel, step) < 1 or pad < 0 or kernel > size + 2 * pad:
            raise ValueError(f"size {size}, kernel {kernel}, stride {step}, padding {pad}: impossible")
        sizes.append((size + 2 * pad - kernel) // step + 1)  # the floor: a last, partial step is dropped
    return sizes[0] if all(isinstance(value, int) for value in arguments) else (sizes[0], sizes[1])
    # END SOLUTION


def conv_parameter_count(in_channels: int, out_channels: int, kernel_size: Whole, bias: bool = True) -> int:
    """Return how many numbers a convolution learns; `kernel_size` is an int or a pair (height, width).

    >>> conv_parameter_count(3, 2, 3)
    56
    """
    # BEGIN SOLUTION Task 1b: write conv_parameter_count
    # HINT each output channel has a kernel for every input channel, and one bias
    height, width = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    return out_channels * (in_channels * height * width + bias)
    # END SOLUTION


# %% [markdown]
# ## Task 2: LeNet-5


# %%
def lenet5() -> nn.Module:
    """Build the tutorial's LeNet-5: float (N, 1, 32, 32) -> logits (N, 10), 61,706 parameters.

    Convolution 5x5 to 6 channels, ReLU, max-pooling by 2; convolution 5x5 to 16 channels, ReLU,
    max-pooling by 2; linear layers to 120, 84 and 10, with ReLU between them. No padding.

    >>> lenet5()(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 10])
    """
    # BEGIN SOLUTION Task 2: write lenet5
    # HINT conv_output_size tells how many numbers reach the first linear layer
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),  # (N, 6, 28, 28) -> (N, 6, 14, 14)
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),  # (N, 16, 10, 10) -> (N, 16, 5, 5)
        nn.Flatten(),  # (N, 400)
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    # END SOLUTION


# %% [markdown]
# ## Task 3: a classifier of your own
# CIFAR-10 holds 50,000 training and 10,000 test images, 32x32 pixels in colour, of ten classes.
# The share of test images that `classifier()` gets right with your weights decides most points.


# %%
def preprocess(images: Tensor) -> Tensor:
    """Turn stored images, uint8 (N, 3, 32, 32) from 0 to 255, into the float32 that `classifier()` takes.

    The grader calls it, too: no randomness here, nothing that depends on the other images
    of the batch, and the argument stays as it is.

    >>> preprocess(torch.zeros(2, 3, 32, 32, dtype=torch.uint8)).dtype
    torch.float32
    """
    # BEGIN SOLUTION Task 3a: write preprocess
    # HINT a network learns fastest from numbers around 0, with a spread of about 1
    mean = torch.tensor([0.4914, 0.4822, 0.4465], device=images.device)  # of the training images' channels
    std = torch.tensor([0.2470, 0.2435, 0.2616], device=images.device)
    scaled = (images.float() - 255 * mean.view(1, 3, 1, 1)) / (255 * std.view(1, 3, 1, 1))
    return scaled.contiguous(memory_format=torch.channels_last)  # the order in which convolutions are fastest
    # END SOLUTION


# %%
# BEGIN SOLUTION
# HINT layers of your own may stand here
class Block(nn.Sequential):
    """(N, inputs, H, W) -> (N, outputs, H // 2, W // 2): two convolutions, each with batch norm and GELU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        def norm() -> nn.BatchNorm2d:
            return nn.BatchNorm2d(outputs, momentum=0.4)  # averages that keep up with a short training

        convs = [nn.Conv2d(width, outputs, 3, padding=1, bias=False) for width in (inputs, outputs)]
        super().__init__(convs[0], nn.MaxPool2d(2), norm(), nn.GELU(), convs[1], norm(), nn.GELU())
        for layer in self:
            if isinstance(layer, nn.Conv2d):
                nn.init.dirac_(layer.weight.data[: layer.in_channels])  # begins by passing its input on
            elif isinstance(layer, nn.BatchNorm2d):
                layer.weight.requires_grad = False  # the next convolution can scale: only the shift is learnt


class Classifier(nn.Module):
    """(N, 3, 32, 32) -> (N, 10), 0.5 million parameters; after github.com/KellerJordan/cifar10-airbench."""

    def __init__(self) -> None:
        super().__init__()
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.weight.requires_grad = False  # computed from the images, see whitening_filters
        self.blocks = nn.Sequential(Block(24, 32), Block(32, 128), Block(128, 128))
        self.head = nn.Linear(128, 10, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        features = self.blocks(F.gelu(self.whiten(images)))  # (N, 128, 3, 3): 31, 15, 7, 3 pixels wide
        return self.head(features.amax(dim=(2, 3))) / 9  # small logits make for a calm beginning


# END SOLUTION


def classifier() -> nn.Module:
    """Build your own CIFAR-10 network, not yet trained: what `preprocess` returns -> logits (N, 10).

    >>> classifier()(preprocess(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))).shape
    torch.Size([2, 10])
    """
    # BEGIN SOLUTION Task 3b: write classifier
    # HINT begin with LeNet-5 for three channels; then more channels, more layers, batch norm
    # HINT return logits: the loss takes care of the softmax
    return Classifier()
    # END SOLUTION


# %% [markdown]
# ### Training
# `train_loop` takes the steps and keeps the history. What it is fed with is your part: which
# images, changed how, in which order, and how large the steps are. Judge your ideas by images
# that you keep back from training, not by the test images: those are for the end.


# %%
@torch.no_grad()
def predict(model: nn.Module, images: Tensor, prepare: Callable[[Tensor], Tensor] = preprocess) -> Tensor:
    """Return the logits (N, 10), on the CPU, of images as `prepare` takes them."""
    model.eval()
    device = next(model.parameters()).device
    return torch.cat([model(prepare(batch.to(device))).float().cpu() for batch in images.split(500)])


def evaluate(
    model: nn.Module, images: Tensor, labels: Tensor, prepare: Callable[[Tensor], Tensor] = preprocess
) -> tuple[float, float]:
    """Return the mean cross-entropy and the share of right answers."""
    logits, labels = predict(model, images, prepare), labels.cpu()
    right = (logits.argmax(dim=1) == labels).sum().item()
    return F.cross_entropy(logits, labels).item(), right / len(labels)


def train_loop(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss_of_next_batch: Callable[[], Tensor],
    validate: Callable[[], tuple[float, float]],
    epochs: int,
    steps_per_epoch: int,
    seconds: float,
    schedule: Callable[[float], float] = lambda progress: 1.0,
) -> History:
    """Take steps until `epochs` are done or, after eight at least, `seconds` are over; return the history.

    `schedule` says which share of the learning rate to use after a share 0 to 1 of the training.
    `validate` returns (loss, accuracy) and is called after each epoch.
    """
    start, step, longest_step = time.perf_counter(), 0, 0.0
    full_rates = [group["lr"] for group in optimizer.param_groups]
    history: History = {"seconds": [], "train_loss": [], "val_loss": [], "val_accuracy": []}
    losses: list[Tensor] = []

    def progress() -> float:  # follows the steps, unless the clock is ahead: then not all of them will fit
        steps, elapsed = epochs * steps_per_epoch, time.perf_counter() - start + longest_step
        clock = min(elapsed / max(seconds, 1e-9), 1.0 if step >= 8 else 0.5)  # eight steps are always taken
        return clock if clock > (step + 1) / steps else step / steps

    while (done := progress()) < 1:
        began = time.perf_counter()
        for group, rate in zip(optimizer.param_groups, full_rates, strict=True):
            group["lr"] = rate * schedule(done)
        model.train()
        loss = loss_of_next_batch()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        step += 1
        longest_step = max(longest_step, time.perf_counter() - began)
        if step % steps_per_epoch == 0 or progress() >= 1:
            report = (time.perf_counter() - start, torch.stack(losses).mean().item(), *validate())
            losses.clear()
            for name, value in zip(history, report, strict=True):
                history[name].append(value)
            print(", ".join(f"{name} {value:.4g}" for name, (*_, value) in history.items()), file=sys.stderr)
    model.eval()
    return history


# %%
# BEGIN SOLUTION
# HINT constants and functions that your training needs may stand here
NUM_EPOCHS = 8  # fewer where the time runs out
BATCH_SIZE = 125  # images
LEARNING_RATE = 0.25
BIAS_FACTOR = 32  # batch norm's biases learn that much faster
WEIGHT_DECAY = 0.001
MOMENTUM = 0.85
LABEL_SMOOTHING = 0.2


def whitening_filters(images: Tensor) -> Tensor:
    """Filters (24, 3, 2, 2) that make the 2x2 patches of preprocessed images (N, 3, 32, 32) uncorrelated."""
    patches = F.unfold(images, 2).transpose(1, 2).reshape(-1, 12)
    variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (directions / (variances + 5e-4).sqrt()).T.reshape(12, 3, 2, 2)
    return torch.cat([filters, -filters])  # both signs, for GELU lets only the positive side through


def endless_batches(count: int, size: int, generator: torch.Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield row numbers and which to mirror: every epoch in a new order, each image from its other side."""
    mirrored = torch.rand(count, generator=generator) < 0.5
    while True:
        order = torch.randperm(count, generator=generator)
        for rows in order.split(size)[: max(1, count // size)]:  # a last, smaller batch is left out
            yield rows, mirrored[rows]
        mirrored = ~mirrored


def augment(images: Tensor, mirrored: Tensor, generator: torch.Generator) -> Tensor:
    """Shift each image (N, 3, 32, 32) by up to 2 pixels, reflected at the edge; mirror the marked ones."""
    count, size = len(images), images.shape[-1]
    shifts = torch.randint(-2, 3, (2, count, 1), generator=generator)
    places = (torch.arange(size) + shifts).abs()  # (2, N, 32): the row, the column that each pixel comes from
    rows, columns = size - 1 - (size - 1 - places).abs()
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    which = torch.arange(count)[:, None, None]
    index = [part.to(images.device) for part in (which, rows[:, :, None], columns[:, None, :])]
    return images[index[0], :, index[1], index[2]].permute(0, 3, 1, 2)  # indexing put the channels last


def triangle(progress: float) -> float:
    """The share of the learning rate after a share `progress` of the training: up, then down in a line."""
    peak = 0.23
    return 0.2 + 0.8 * progress / peak if progress < peak else 1 - 0.93 * (progress - peak) / (1 - peak)


def make_optimizer(model: nn.Module) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; batch norm's biases take larger steps and are hardly decayed."""
    shifts, others = [], []
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            (shifts if name.startswith("blocks") and weight.ndim == 1 else others).append(weight)
    groups = [
        {"params": others, "lr": LEARNING_RATE, "weight_decay": WEIGHT_DECAY},
        {"params": shifts, "lr": LEARNING_RATE * BIAS_FACTOR, "weight_decay": WEIGHT_DECAY / BIAS_FACTOR},
    ]
    return torch.optim.SGD(groups, momentum=MOMENTUM, nesterov=True)


# END SOLUTION


def train_classifier(
    model: nn.Module, images: Tensor, labels: Tensor, *, device: str | torch.device, seconds: float, seed: int
) -> History:
    """Train `model` in place on uint8 images (N, 3, 32, 32) and int64 labels (N,); return the history.

    Keeps to `seconds` of wall time, on `device`, be it three seconds for a few hundred images; the
    same seed on the same machine gives the same weights unless the time cuts it short.

    >>> images, labels = torch.zeros(40, 3, 32, 32, dtype=torch.uint8), torch.arange(40) % 10
    >>> sorted(train_classifier(classifier(), images, labels, device="cpu", seconds=1, seed=0))
    ['seconds', 'train_loss', 'val_accuracy', 'val_loss']
    """
    # BEGIN SOLUTION Task 3c: write train_classifier
    # HINT make an optimizer and a function that gives the loss of the next batch; train_loop does the rest
    # HINT more than one image can be learnt from an image: shift it, mirror it
    start = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(images), generator=generator).to(images.device)
    kept_back = max(1, min(1000, len(images) // 10))  # never trained on: for the history's val_ columns
    val_images, val_labels = images[order[:kept_back]], labels[order[:kept_back]]
    images, labels = images[order[kept_back:]].to(device), labels[order[kept_back:]].to(device)
    model.to(device, memory_format=torch.channels_last)
    if isinstance(model, Classifier):
        model.whiten.weight.data.copy_(whitening_filters(preprocess(images[:1000])))

    batch_size = min(BATCH_SIZE, max(32, len(images) // 40))  # of few images small ones, for enough steps
    batches = endless_batches(len(images), batch_size, generator)

    def loss_of_next_batch() -> Tensor:
        rows, mirrored = next(batches)
        logits = model(preprocess(augment(images[rows.to(device)], mirrored, generator)))
        return F.cross_entropy(logits, labels[rows.to(device)], label_smoothing=LABEL_SMOOTHING)

    optimizer, steps_per_epoch = make_optimizer(model), max(1, len(images) // batch_size)
    return train_loop(
        *(model, optimizer, loss_of_next_batch, lambda: evaluate(model, val_images, val_labels)),
        *(NUM_EPOCHS, steps_per_epoch, seconds - (time.perf_counter() - start), triangle),
    )
    # END SOLUTION


# %% [markdown]
# ## Doing it
# `load_cifar10` downloads the images once; without a connection see its docstring.

# %%
if __name__ == "__main__":
    from lab8_tools import load_cifar10, plot_confusion, plot_history, plot_predictions, save_weights

    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = load_cifar10("data", train=True)
    model = classifier()
    history = train_classifier(model, images, labels, device=device, seconds=1800, seed=0)
    save_weights(model)  # classifier.safetensors: hand it in
    plot_history(history).savefig("history.png")

# %% [markdown]
# When you are done choosing, and only then, look at the test images.

# %%
if __name__ == "__main__":
    test_images, test_labels = load_cifar10("data", train=False)
    loss, accuracy = evaluate(model, test_images, test_labels)
    print(f"test loss {loss:.3f}, test accuracy {accuracy:.2%}")
    guesses = predict(model, test_images)
    plot_predictions(test_images, test_labels, guesses).savefig("predictions.png")
    plot_confusion(test_labels, guesses).savefig("confusion.png")
