# %% [markdown]
# # Lab 8: convolutional networks
# Three tasks: the arithmetic of a convolution, LeNet-5, and an image classifier of your own. Whatever raises
# `NotImplementedError` is yours to write. Keep the six functions' names and arguments: the grader calls them
# in Python 3.11, with all that they need, and runs nothing else: try out what you like.

# %%
from __future__ import annotations

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
    # TODO (Task 1a): how many whole steps fit behind the kernel's first place?
    # TODO (Task 1a): turn every argument into a pair first, then treat height and width alike
    raise NotImplementedError("Task 1a: write conv_output_size")


def conv_parameter_count(in_channels: int, out_channels: int, kernel_size: Whole, bias: bool = True) -> int:
    """Return how many numbers a convolution learns; `kernel_size` is an int or a pair (height, width).

    >>> conv_parameter_count(3, 2, 3)
    56
    """
    # TODO (Task 1b): each output channel has a kernel for every input channel, and one bias
    raise NotImplementedError("Task 1b: write conv_parameter_count")


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
    # TODO (Task 2): conv_output_size tells how many numbers reach the first linear layer
    raise NotImplementedError("Task 2: write lenet5")


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
    # TODO (Task 3a): a network learns fastest from numbers around 0, with a spread of about 1
    raise NotImplementedError("Task 3a: write preprocess")


# %%
# layers of your own may stand here


def classifier() -> nn.Module:
    """Build your own CIFAR-10 network, not yet trained: what `preprocess` returns -> logits (N, 10).

    >>> classifier()(preprocess(torch.zeros(2, 3, 32, 32, dtype=torch.uint8))).shape
    torch.Size([2, 10])
    """
    # TODO (Task 3b): begin with LeNet-5 for three channels; then more channels, more layers, batch norm
    # TODO (Task 3b): return logits: the loss takes care of the softmax
    raise NotImplementedError("Task 3b: write classifier")


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
# constants and functions that your training needs may stand here: to shift and mirror images, say


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
    # TODO (Task 3c): loss_of_next_batch: F.cross_entropy of model(preprocess(images[rows])), each time for other rows
    # TODO (Task 3c): end with return train_loop(model, optimizer, loss_of_next_batch, validate, epochs, steps, seconds)
    raise NotImplementedError("Task 3c: write train_classifier")


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
