# %% [markdown]
# # Lab 8: convolutional networks
# Three tasks: the arithmetic of a convolution, LeNet-5, and an image classifier of your own. Whatever raises
# `NotImplementedError` is yours to write. Keep the six functions' names and arguments: the grader calls them
# in Python <!-- python -->, with all that they need, and runs nothing else: try out what you like.

# %%
from __future__ import annotations

# BEGIN SOLUTION
import collections

# END SOLUTION
import sys
import time
from collections.abc import Callable

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

    Each argument is an int, or a pair (height, width); `padding` is added on both sides. Returns an int, or
    a pair where any argument is a pair. Raises ValueError where no such convolution exists: a size,
    kernel or stride below 1, a negative padding, or a kernel that is larger than the padded input.

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
    moments = torch.tensor([[0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]])  # of the training images
    mean, std = moments.to(images.device, non_blocking=True)  # without waiting for a busy GPU
    scaled = (images.float() - 255 * mean.view(1, 3, 1, 1)) / (255 * std.view(1, 3, 1, 1))
    return scaled.contiguous(memory_format=torch.channels_last)  # the order in which convolutions are fastest
    # END SOLUTION


# %%
# BEGIN SOLUTION
# HINT layers of your own may stand here
Preset = collections.namedtuple("Preset", "widths convolutions epochs shift cutout")
PRESETS = {  # `convolutions` in each block; `shift` and `cutout` in pixels
    "quick": Preset((32, 128, 128), convolutions=2, epochs=6, shift=2, cutout=0),  # to try an idea
    "standard": Preset((64, 256, 256), convolutions=2, epochs=36, shift=4, cutout=9),  # the shipped weights
    "best": Preset((128, 384, 512), convolutions=3, epochs=40, shift=4, cutout=13),  # with a GPU
}


class Block(nn.Module):
    """(N, inputs, H, W) -> (N, outputs, H // 2, W // 2): convolutions, each with batch norm and GELU."""

    def __init__(self, inputs: int, outputs: int, convolutions: int) -> None:
        super().__init__()
        widths = [inputs] + [outputs] * (convolutions - 1)
        self.convs = nn.ModuleList(nn.Conv2d(width, outputs, 3, padding=1, bias=False) for width in widths)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs, momentum=0.4) for _ in widths)  # quick averages
        for conv, norm in zip(self.convs, self.norms, strict=True):
            nn.init.dirac_(conv.weight.data[: conv.in_channels])  # begins by passing its input on
            norm.weight.requires_grad = False  # the next convolution can scale: only the shift is learnt

    def forward(self, features: Tensor) -> Tensor:
        features = first = F.gelu(self.norms[0](F.max_pool2d(self.convs[0](features), 2)))
        for conv, norm in zip(self.convs[1:], self.norms[1:], strict=True):
            features = F.gelu(norm(conv(features)))
        return features + first if len(self.convs) > 2 else features  # a deep block needs the short way, too


class Classifier(nn.Module):
    """(N, 3, 32, 32) -> (N, 10); after github.com/KellerJordan/cifar10-airbench."""

    def __init__(self, preset: str) -> None:
        super().__init__()
        self.preset = PRESETS[preset]
        self.whiten = nn.Conv2d(3, 24, 2)
        self.whiten.weight.requires_grad = False  # computed from the images, see whitening_filters
        (a, b, c), depth = self.preset.widths, self.preset.convolutions
        self.blocks = nn.Sequential(Block(24, a, depth), Block(a, b, depth), Block(b, c, depth))
        self.head = nn.Linear(c, 10, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(F.gelu(self.whiten(images))).amax(dim=(2, 3))) / 9  # / 9: begins calmly


# END SOLUTION


def classifier() -> nn.Module:
    """Build your own CIFAR-10 network, not yet trained: what `preprocess` returns -> logits (N, 10).

    >>> classifier()(preprocess(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))).shape
    torch.Size([2, 10])
    """
    # BEGIN SOLUTION Task 3b: write classifier
    # HINT begin with LeNet-5 for three channels; then more channels, more layers, batch norm
    # HINT return logits: the loss takes care of the softmax
    return Classifier("standard")
    # END SOLUTION


# %% [markdown]
# ### Training
# `train_loop` takes the steps of the handouts' loop: a loss, gradients to zero, backward, update. Give it an
# optimizer and two functions, one for the next batch's loss and one that validates; return its history.
# Which images, changed how, and how large the steps are is your part; a loop of your own does as well, if it
# looks at the clock in every step. Judge ideas by images kept back from training, not by the test images.


# %%
@torch.no_grad()
def predict(model: nn.Module, images: Tensor) -> Tensor:
    """Return the logits (N, 10), on the CPU, of uint8 images (N, 3, 32, 32), which `preprocess` prepares."""
    model.eval()
    device = next(model.parameters()).device
    return torch.cat([model(preprocess(batch.to(device))).float().cpu() for batch in images.split(500)])


def evaluate(model: nn.Module, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """Return the mean cross-entropy and the share of right answers, in evaluation mode."""
    logits, labels = predict(model, images), labels.cpu()
    return F.cross_entropy(logits, labels).item(), (logits.argmax(dim=1) == labels).double().mean().item()


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
    """Take steps until `epochs` are done or `seconds` are over; return the history.

    `loss_of_next_batch()` returns the loss that a step lowers, `validate()`, after each epoch, (loss,
    accuracy), and `schedule` the share of the learning rate to use after a share 0 to 1 of the training.
    Two steps are always taken, and the first eight may need 3 seconds more.
    """
    start, cpu_start = time.perf_counter(), time.process_time()
    steps_per_epoch = max(1, steps_per_epoch)  # also where a batch is larger than the set
    step, steps, done, validation, told = 0, epochs * steps_per_epoch, 0.0, 0.0, start
    full_rates, losses = [group["lr"] for group in optimizer.param_groups], list[Tensor]()
    history: History = {"seconds": [], "train_loss": [], "val_loss": [], "val_accuracy": []}
    live = sys.stderr.isatty() or "ipykernel" in sys.modules  # a line can be written over

    def progress() -> float:  # follows the steps, unless the clock is ahead: then not all of them will fit
        spent, budget = time.perf_counter() - start, max(seconds, 0) - validation
        if step < 8:  # not what others on this machine took: whether anything is learnt must not be luck
            spent, budget = min(spent, time.process_time() - cpu_start), budget + 3 if step > 1 else 1e9
        clock = spent * (1 + 1 / max(step, 8)) / max(budget, 1e-9)  # the next step has to fit as well
        return clock if clock > (step + 1) / steps else step / steps

    while done < 1:
        for group, rate in zip(optimizer.param_groups, full_rates, strict=True):
            group["lr"] = rate * schedule(done)
        model.train()
        loss = loss_of_next_batch()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
        step, now = step + 1, time.perf_counter()
        done, epoch = progress(), f"{step / steps_per_epoch:.2f} of {epochs}"
        if at_end := step % steps_per_epoch == 0 or done >= 1:
            report = (now - start, torch.stack(losses).mean().item(), *validate())
            losses, validation = [], max(validation, time.perf_counter() - now)
            for name, value in zip(history, report, strict=True):
                history[name].append(value)
            news = ", ".join(f"{name} {values[-1]:.4g}" for name, values in history.items())
        elif now - told > (1 if live else 30):
            news = f"loss {loss.item():.3f}"
        else:
            continue
        done, told = progress(), time.perf_counter()  # the report took time, too
        left = f"{(told - start) * max(0, 1 / done - 1) / 60:.1f} minutes left"
        sys.stderr.write(f"epoch {epoch}, {news}, {left}" + ("   \r" if live and not at_end else "\n"))
    if step < steps:
        sys.stderr.write(f"stopped after {epoch} epochs: the {max(seconds, 0):.1f} seconds were over\n")
    model.eval()
    return history


# %%
# BEGIN SOLUTION
# HINT constants and functions that your training needs may stand here: to shift and mirror images, say
LABEL_SMOOTHING = 0.2
CHOSEN: dict[str, torch.dtype] = {}  # by the first training, for the others of the same process


def whitening_filters(images: Tensor) -> Tensor:
    """Filters (24, 3, 2, 2) that make the 2x2 patches of preprocessed images (N, 3, 32, 32) uncorrelated."""
    patches = F.unfold(images, 2).transpose(1, 2).reshape(-1, 12)
    variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
    filters = (directions / (variances + 5e-4).sqrt()).T.reshape(12, 3, 2, 2)
    return torch.cat([filters, -filters])  # both signs, for GELU lets only the positive side through


def endless_batches(n: int, size: int, generator: torch.Generator) -> collections.abc.Iterator[list[Tensor]]:
    """Yield row numbers and which to mirror: every epoch in a new order, each image from its other side."""
    mirrored = torch.rand(n, generator=generator, device=generator.device) < 0.5
    while True:
        order = torch.randperm(n, generator=generator, device=generator.device)
        for rows in order.split(size)[: max(1, n // size)]:  # a last, smaller batch is left out
            yield [rows, mirrored[rows]]
        mirrored = ~mirrored


def augment(images: Tensor, mirrored: Tensor, generator: torch.Generator, preset: Preset) -> Tensor:
    """Move each image (N, 3, 32, 32), reflected at its edge; mirror the marked ones; grey a square cutout."""
    count, size = len(images), images.shape[-1]
    with images.device:  # where the new tensors are to be
        shifts = torch.randint(-preset.shift, preset.shift + 1, (2, count, 1), generator=generator)
        centres = torch.randint(size, (2, count, 1), generator=generator)
        pixels, which = torch.arange(size), torch.arange(count)[:, None, None]
    places = (pixels + shifts).abs()  # (2, N, 32): row, column of each
    rows, columns = size - 1 - (size - 1 - places).abs()
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    near = 2 * (pixels - centres).abs() < preset.cutout  # (2, N, 32)
    cutout = near[0, :, :, None, None] & near[1, :, None, :, None]  # (N, 32, 32, 1)
    return images[which, :, rows[:, :, None], columns[:, None]].masked_fill(cutout, 120).permute(0, 3, 1, 2)


class Muon(torch.optim.Optimizer):
    """Nesterov's momentum, a kernel's steps made orthogonal: all directions of it are learnt equally fast."""

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # takes no closure
        for group in self.param_groups:
            for weight in group["params"]:
                gradient = weight.grad + group["decay"] * weight
                average = self.state[weight].setdefault("average", torch.zeros_like(weight))
                average.mul_(group["momentum"]).add_(gradient)
                step = gradient + group["momentum"] * average
                if weight.ndim == 4:
                    weight *= len(weight) ** 0.5 / weight.norm()  # as long as an orthogonal matrix
                    step = orthogonal(step.reshape(len(step), -1)).reshape(step.shape)
                weight -= group["lr"] * step


def orthogonal(matrix: Tensor) -> Tensor:  # kellerjordan.github.io/posts/muon
    """The (m, n) matrix with singular values near 1: a polynomial draws them there in five steps."""
    result = matrix / (matrix.norm() + 1e-7)
    for _ in range(5):
        square = result @ result.T
        result = 3.4445 * result + (-4.7750 * square + 2.0315 * square @ square) @ result
    return result


def make_optimizer(model: nn.Module, batch_size: int) -> Muon:
    """Muon; the rates are for batches of 2,000: smaller ones, with noisier gradients, take smaller steps."""
    share, groups = batch_size / 2000, []
    rates = {4: 0.24 * share**0.5, 2: 1.7 * share, 1: 106.0 * share}  # kernels, the last layer, biases
    for ndim, rate in rates.items():
        decay, momentum = (0.0, 0.7) if ndim == 4 else (0.004 * share, 0.85)  # the decay times its rate
        weights = [weight for weight in model.parameters() if weight.requires_grad and weight.ndim == ndim]
        groups.append({"params": weights, "lr": rate, "decay": decay / rate, "momentum": momentum})
    return Muon(groups, {})


def fastest_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where convolutions gain by it: CPUs with matrix units do, others are many times slower."""
    if device.type != "cpu":
        gains = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if gains else torch.float32
    kernel, images = torch.ones(64, 64, 3, 3, requires_grad=True), torch.ones(20, 64, 15, 15)
    seconds = {torch.float32: 1e9, torch.bfloat16: 1e9}
    for dtype in (*seconds, *seconds):  # twice: the first time of each is slow
        start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            F.conv2d(images, kernel).sum().backward()
        seconds[dtype] = min(seconds[dtype], time.perf_counter() - start)
    return CHOSEN.setdefault("cpu", min(seconds, key=seconds.__getitem__))


# END SOLUTION


def train_classifier(
    model: nn.Module, images: Tensor, labels: Tensor, *, device: str | torch.device, seconds: float, seed: int
) -> History:
    """Train `model` in place on uint8 images (N, 3, 32, 32) and int64 labels (N,); return the history.

    Keeps to `seconds` of wall time, on `device`, be it three seconds for a few hundred images; the
    same seed, first weights and machine give the same weights unless the time cuts it short.

    >>> images, labels = torch.zeros(40, 3, 32, 32, dtype=torch.uint8), torch.arange(40) % 10
    >>> sorted(train_classifier(classifier(), images, labels, device="cpu", seconds=1, seed=0))
    ['seconds', 'train_loss', 'val_accuracy', 'val_loss']
    """
    # BEGIN SOLUTION Task 3c: write train_classifier
    # HINT loss_of_next_batch: F.cross_entropy of model(preprocess(images[rows])), each time for other rows
    # HINT end with return train_loop(model, optimizer, loss_of_next_batch, validate, epochs, steps, seconds)
    start, device = time.perf_counter(), torch.device(device)
    generator = torch.Generator(device).manual_seed(seed)
    images, labels = images.to(device), labels.to(device)  # as bytes: all of CIFAR-10 is 154 MB
    order = torch.randperm(len(images), generator=generator, device=device)
    kept = max(1, min(1000, len(images) // 10))  # back from training: for the history's val_ columns
    (val_images, images), (val_labels, labels) = (x[order].tensor_split([kept]) for x in (images, labels))
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # not in torch's types
    if isinstance(model, Classifier):
        model.whiten.weight.data.copy_(whitening_filters(preprocess(images[:1000])))

    batch_size = min(2000 if device.type == "cuda" else 500, max(32, len(images) // 40))  # small ones of few
    batches, dtype = endless_batches(len(images), batch_size, generator), fastest_dtype(device)
    optimizer, preset = make_optimizer(model, batch_size), getattr(model, "preset", PRESETS["standard"])

    def loss_of_next_batch() -> Tensor:
        rows, mirrored = next(batches)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            logits = model(preprocess(augment(images[rows], mirrored, generator, preset)))
        return F.cross_entropy(logits.float(), labels[rows], label_smoothing=LABEL_SMOOTHING)

    with torch.backends.cudnn.flags(enabled=True, deterministic=True):  # the same seed, the same weights
        return train_loop(
            *(model, optimizer, loss_of_next_batch, lambda: evaluate(model, val_images, val_labels)),
            *(preset.epochs, len(images) // batch_size, seconds - (time.perf_counter() - start)),
            schedule=lambda progress: 1 - progress,
        )
    # END SOLUTION


# %% [markdown]
# ## Doing it

# %%
if __name__ == "__main__":
    import lab8_tools as tools

    tools.keep_freed_memory()  # quicker on a CPU
    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = tools.load_cifar10("data", train=True)  # without a connection: help(tools.load_cifar10)
    torch.manual_seed(0)  # the first weights are random, too
    model = classifier()
    history = train_classifier(model, images, labels, device=device, seconds=1800, seed=0)
    tools.save_weights(model)  # classifier.safetensors: hand it in
    tools.plot_history(history).savefig("history.png")

# %% [markdown]
# When you are done choosing, and only then, look at the test images.

# %%
if __name__ == "__main__":
    test_images, test_labels = tools.load_cifar10("data", train=False)
    loss, accuracy = evaluate(model, test_images, test_labels)
    print(f"test loss {loss:.3f}, test accuracy {accuracy:.2%}")
    guesses = predict(model, test_images)
    tools.plot_predictions(test_images, test_labels, guesses).savefig("predictions.png")
    tools.plot_confusion(test_labels, guesses).savefig("confusion.png")
