"""Train the reference classifier: `python solution/train.py quick`, `standard` or `best`.

Writes classifier.safetensors, classifier.json (how, and the history) and history.png (loss and accuracy
curves) into `--folder`: `standard` beside this file, where the grader looks for them, another preset into
`build/`. The complete CIFAR-10 is needed (`grader data fetch` brings it); the test images are looked at once,
when the training is over.
"""

from __future__ import annotations

import argparse
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
import lab8_tools  # noqa: E402

SECONDS = 24 * 3600  # never reached: the number of epochs decides, so the seed does


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


def train(
    train_set: tuple[Tensor, Tensor],
    test_set: tuple[Tensor, Tensor],
    folder: Path,
    *,
    preset: str = "standard",
    seed: int = 8,
) -> float:
    """Train on (images, labels), write weights, record and curves into `folder`; return the test accuracy."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(seed)
    model = lab8.Classifier(preset)
    start = time.perf_counter()
    history = lab8.train_classifier(model, *train_set, device=device, seconds=SECONDS, seed=seed)
    seconds = time.perf_counter() - start
    weights = {name: value.cpu().contiguous() for name, value in model.state_dict().items()}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "classifier.safetensors")
    _, accuracy = lab8.evaluate(model, *test_set)
    record = {
        "how": f"python solution/train.py {preset}",
        "data": f"CIFAR-10, {len(train_set[0])} training images, of which train_classifier keeps "
        f"{min(1000, len(train_set[0]) // 10)} back for its reports",
        "epochs": len(history["seconds"]),
        "seconds": round(seconds),
        "seed": seed,
        "machine": machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "history": {name: [round(value, 4) for value in values] for name, values in history.items()},
        "test_images": len(test_set[0]),
        "test_accuracy": round(accuracy, 4),
    }
    (folder / "classifier.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    lab8_tools.plot_history(history).savefig(folder / "history.png")
    return accuracy


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset", choices=list(lab8.PRESETS), nargs="?", default="standard")
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="where the three files go")
    asked = parser.parse_args()
    lab8_tools.keep_freed_memory()
    folder = asked.folder or (HERE if asked.preset == "standard" else HERE.parent / "build" / asked.preset)
    sets = load("cifar10", "train", "full"), load("cifar10", "test", "full")
    accuracy = train(*sets, folder, preset=asked.preset, seed=asked.seed)
    print(f"{accuracy:.2%} of the test images are classified correctly; see {folder}")
