"""Layer tables, computed by running a network and watching its layers."""

from __future__ import annotations

import copy
import html
import numbers
from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

_LEFT_OUT = (nn.Flatten, nn.Identity, nn.Dropout)  # rows that would say nothing
TOTAL = "total"


def layer_table(
    net: nn.Module | Callable[[], nn.Module],
    input_shape: tuple[int, ...],
    as_one: tuple[type[nn.Module], ...] = (),
    hide: tuple[type[nn.Module], ...] = (nn.ReLU,),
) -> pd.DataFrame:
    """Return one row a layer in the order of the calls, and a row with the totals.

    Columns: layer, kind, kernel, stride, padding, input and output (shapes without the batch), parameters,
    and MACs: the multiplications, each with its addition, that one image costs in convolutions and linear
    layers.

    Args:
        net: a network, or what builds one (a class), which then takes no memory: it is built without numbers.
        input_shape: of one image, (channels, height, width).
        as_one: kinds of modules to give a single row, instead of one for each layer inside.
        hide: kinds of layers without parameters to leave out.
    """
    with torch.device("meta"):  # shapes without numbers
        model = (copy.deepcopy(net) if isinstance(net, nn.Module) else net()).to("meta").eval()
        image = torch.empty(1, *input_shape)
    rows: list[dict[str, Any]] = []
    macs: dict[str, int] = {}

    def count(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(layer: nn.Module, _: Any, output: Tensor) -> None:
            macs[name] = macs.get(name, 0) + _macs(layer, output)

        return hook

    def record(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            inside = [value for part, value in macs.items() if part == name or part.startswith(f"{name}.")]
            seen = any(row["layer"] == name for row in rows)  # a layer called twice has its parameters once
            rows.append(
                {
                    "layer": name,
                    "kind": type(layer).__name__,
                    "kernel": _pair(layer, "kernel_size"),
                    "stride": _pair(layer, "stride"),
                    "padding": _pair(layer, "padding"),
                    "input": _shape(inputs[0]),
                    "output": _shape(output),
                    "parameters": 0 if seen else sum(p.numel() for p in layer.parameters()),
                    "MACs": sum(inside),
                }
            )
            for part in list(macs):  # for the next call of the same layer
                if part == name or part.startswith(f"{name}."):
                    macs[part] = 0

        return hook

    wanted = _rows_of(model, as_one, (*_LEFT_OUT, *hide))
    for name, layer in model.named_modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)):
            layer.register_forward_hook(count(name))
    for name, layer in wanted:
        layer.register_forward_hook(record(name))
    with torch.no_grad():
        model(image)
    frame = pd.DataFrame(rows)
    unused = sum(p.numel() for p in model.parameters()) - int(frame["parameters"].sum())
    if unused:  # GoogLeNet's auxiliary heads: there in training only
        extra = {"layer": "not used in evaluation", "parameters": unused, "MACs": 0}
        frame = pd.concat([frame, pd.DataFrame([extra])], ignore_index=True)
    total = {"layer": TOTAL, "parameters": frame["parameters"].sum(), "MACs": frame["MACs"].sum()}
    return pd.concat([frame, pd.DataFrame([total])], ignore_index=True).fillna("")


class Table:
    """A data frame for reading: a caption, thousands separators, numbers to the right."""

    def __init__(self, frame: pd.DataFrame, caption: str) -> None:
        if not caption.strip():
            raise ValueError("caption: say what the table shows")
        self.frame, self.caption = frame, caption

    def _repr_html_(self) -> str:
        head = "".join(f'<th scope="col">{html.escape(str(name))}</th>' for name in self.frame.columns)
        body = []
        for row in self.frame.itertuples(index=False):
            cells = "".join(_cell(value) for value in row)
            body.append(f"<tr{' class=total' if row[0] == TOTAL else ''}>{cells}</tr>")
        caption = html.escape(self.caption)
        return (
            f'<div class="table" style="overflow-x:auto"><table><caption>{caption}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
        )

    def __repr__(self) -> str:
        return f"{self.caption}\n{self.frame.to_string(index=False)}"


def show_table(frame: pd.DataFrame, caption: str) -> None:
    """Display a data frame with its caption."""
    try:
        from IPython.display import display  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        print(repr(Table(frame, caption)))
    else:
        display(Table(frame, caption))


def _rows_of(
    model: nn.Module, as_one: tuple[type[nn.Module], ...], hide: tuple[type[nn.Module], ...], prefix: str = ""
) -> list[tuple[str, nn.Module]]:
    """The modules that get a row: leaves, and those to be shown as one."""
    found = []
    for name, child in model.named_children():
        path = f"{prefix}{name}"
        if isinstance(child, hide):
            continue
        if isinstance(child, as_one) or not list(child.children()):
            found.append((path, child))
        else:
            found += _rows_of(child, as_one, hide, f"{path}.")
    return found


def _macs(layer: nn.Module, output: Tensor) -> int:
    if isinstance(layer, nn.Conv2d):  # each output number is a sum over the kernel and its input channels
        return output[0].numel() * layer.weight[0].numel()
    if isinstance(layer, nn.Linear):
        return output[0].numel() * layer.in_features
    return 0


def _shape(maps: Tensor) -> str:
    return "×".join(str(size) for size in maps.shape[1:])


def _pair(layer: nn.Module, name: str) -> str:
    while isinstance(layer, nn.Sequential):  # a convolution with its batch norm and ReLU
        layer = layer[0]
    value = getattr(layer, name, "")
    if isinstance(value, tuple):
        return str(value[0]) if value[0] == value[1] else f"{value[0]}×{value[1]}"
    return str(value)


def _cell(value: Any) -> str:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return f"<td>{html.escape(str(value))}</td>"
    text = f"{value:,.4g}" if float(value) % 1 else f"{int(value):,}"
    return f'<td class="number" style="text-align:right">{text}</td>'
