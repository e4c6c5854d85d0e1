"""torchvision can be imported beside any build of torch. Each case needs an interpreter of its own."""

import subprocess
import sys
from pathlib import Path

SHIM = Path(__file__).parents[1] / "grader" / "torchvision_shim.py"
LOAD = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("shim", {str(SHIM)!r})
shim = importlib.util.module_from_spec(spec)
spec.loader.exec_module(shim)
"""


def python(code: str) -> str:
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_datasets_transforms_and_models_work_when_the_file_is_loaded_by_its_path() -> None:
    out = python(
        LOAD
        + """
fixed = shim.prepare_torchvision()
assert shim.prepare_torchvision() is fixed, "asked again, it answers the same"
import torchvision                                   # as a student writes it
assert shim.import_torchvision() is torchvision
import torch
from torchvision.transforms import v2
net = torchvision.models.resnet18(num_classes=10).eval()
images = v2.functional.resize(torch.zeros(2, 3, 40, 40, dtype=torch.uint8), [32, 32])
print(tuple(net(images.float()).shape), torchvision.datasets.CIFAR10.__name__)
"""
    )
    assert out == "(2, 10) CIFAR10"


def test_nothing_is_declared_where_torchvision_can_load_its_own_extension() -> None:
    out = python(
        LOAD
        + """
import torch
real = []
torch.ops.load_library = real.append                  # stands for an extension that loads
print(shim.prepare_torchvision(), len(real), hasattr(torch.ops.torchvision, "nms"))
"""
    )
    fixed, loaded, declared = out.split()
    assert (fixed, declared) == ("False", "False")
    assert int(loaded) == (1 if sys.platform == "linux" else 0)


def test_a_machine_without_torchvision_gets_the_usual_import_error() -> None:
    out = python(
        LOAD
        + """
import importlib.machinery, sys
class NoTorchvision:
    def find_spec(self, name, path=None, target=None):
        if name == "torchvision":
            raise ModuleNotFoundError("No module named 'torchvision'", name=name)
shim.importlib.util.find_spec = lambda name: None
sys.meta_path.insert(0, NoTorchvision())
print(shim.prepare_torchvision())
try:
    shim.import_torchvision()
except ImportError as error:
    print(error)
"""
    )
    assert out == "False\nNo module named 'torchvision'"


def test_the_file_costs_nothing_until_it_is_used() -> None:
    out = python(LOAD + "import sys; print('torch' in sys.modules, 'torchvision' in sys.modules)")
    assert out == "False False"
