"""Train the reference classifier and record how: `python solution/train.py`.

Writes classifier.safetensors and classifier.json beside this file. The complete
CIFAR-10 is needed (`grader data fetch` brings it); the test images are looked at
once, when the training is over.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from grader.datasets import load

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import lab8  # noqa: E402  (found beside this file)

SEED = 8
SECONDS = 4 * 3600  # never reached on two cores: the number of epochs decides, so the seed does


def machine() -> str:
    """The processor's name and how many threads of it were used."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        name = next(
            (x.split(": ")[1] for x in cpuinfo.read_text().splitlines() if x.startswith("model name")), name
        )
    return f"{name}, {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}"


def train(train_set: tuple[Tensor, Tensor], test_set: tuple[Tensor, Tensor], folder: Path) -> float:
    """Train on (images, labels), write weights and record into `folder`, and return the test accuracy."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(SEED)
    model = lab8.classifier()
    start = time.perf_counter()
    history = lab8.train_classifier(model, *train_set, device=device, seconds=SECONDS, seed=SEED)
    seconds = time.perf_counter() - start
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "classifier.safetensors")
    _, accuracy = lab8.evaluate(model, *test_set)
    record = {
        "how": "python solution/train.py",
        "data": f"CIFAR-10, {len(train_set[0])} training images, of which train_classifier keeps "
        f"{min(1000, len(train_set[0]) // 10)} back for its reports",
        "epochs": len(history["seconds"]),
        "seconds": round(seconds),
        "seed": SEED,
        "machine": machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "history": {name: [round(value, 4) for value in values] for name, values in history.items()},
        "test_images": len(test_set[0]),
        "test_accuracy": round(accuracy, 4),
    }
    (folder / "classifier.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return accuracy


if __name__ == "__main__":
    accuracy = train(load("cifar10", "train", "full"), load("cifar10", "test", "full"), HERE)
    print(f"{accuracy:.2%} of the test images are classified correctly")
