"""Layers as they are printed: a line a layer, then what they are of."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike import console

if TYPE_CHECKING:
    from export.adoption.layers import GraphLayer
    from pages.layers import ShownLayer
    from trainer.networks.layers import Layer


def print_layers(
    network: str,
    sides: str | None,
    layers: Sequence[Layer] | Sequence[GraphLayer],
    num_parameters: int,
    *,
    without_shape: str,
    as_json: bool,
) -> None:
    """Print the layers of a network.

    Args:
        sides: of the image that shapes are for.
        layers: of a network of torch, or the values of a graph.
        num_parameters: of all.
        without_shape: what it means that a layer has no shape.
    """
    facts = {
        "network": network,
        "image": None if sides is None else f"{sides} px",
        "num_layers": len(layers),
        "num_parameters": num_parameters,
    }
    if as_json:
        console.print_json(facts | {"layers": [asdict(layer) for layer in layers]})
        return
    rows = [
        (f"@{layer.number}", layer.name, layer.kind, _shape(layer.shape, without=without_shape), layer.num_parameters)
        for layer in layers
    ]
    console.print_table(("number", "name", "kind", "output of one image", "parameters"), rows)
    sys.stdout.write("\n")
    console.print_facts("layers", facts)


def _shape(shape: tuple[int, ...] | None, *, without: str) -> str:
    """Without the axis of images."""
    if shape is None:
        return without
    return " x ".join(map(str, shape[1:])) if shape[:1] == (1,) and len(shape) > 1 else f"[{console.show(shape)}]"


def print_page(layers: Sequence[ShownLayer], output: Path, *, as_json: bool) -> None:
    """Print which layers are on the page, and how many of their channels are dead."""
    found = [
        {
            "number": layer.number,
            "name": layer.name,
            "kind": layer.kind,
            "shape": list(layer.shape),
            "num_channels": layer.values.shape[1],
            "num_dead": int(layer.dead.sum()),
        }
        for layer in layers
    ]
    if as_json:
        console.print_json({"output": str(output), "layers": found})
        return
    header = ("number", "name", "kind", "output of one image", "channels", "dead")
    rows = [
        (
            f"@{each['number']}",
            each["name"],
            each["kind"],
            " x ".join(map(str, layer.shape)),
            each["num_channels"],
            each["num_dead"],
        )
        for each, layer in zip(found, layers, strict=True)
    ]
    console.print_table(header, rows)
    sys.stdout.write("\n")
    console.print_facts("shown", {"output": str(output)})
