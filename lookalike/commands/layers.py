"""layers: every layer of a network, a run or an ONNX file with its shape and size, or what some give of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artifact.errors import UsageError
from lookalike.commands.options import JSON


def layers(
    what: Annotated[
        str,
        typer.Argument(help="Base network by name, a run folder, or an ONNX file.", metavar="NET|RUN|FILE.onnx"),
    ],
    size: Annotated[
        int | None, typer.Option(min=8, max=4096, help="Side of the image in pixels. [default: the network's own]")
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option("--image", help="Picture to show layers of, on a page; may be given several times.", metavar="F"),
    ] = None,
    chosen: Annotated[
        list[str] | None,
        typer.Option(
            "--layer",
            help="Layer to show; may be given several times. [default: the last of each stage, and the vector]",
            metavar="NAME|@N",
        ),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Page to write.", metavar="FILE.html")] = None,
    pretrained: Annotated[
        bool, typer.Option("--pretrained", help="With --image: the published weights of NET.")
    ] = False,
    weights: Annotated[
        Path | None, typer.Option(help="With --image: weights of NET from a .safetensors or .pt file.")
    ] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """List every layer in the order in which one image passes, or with --image show what some of them give."""
    from lookalike.results.layers import print_layers, print_page

    path = Path(what)
    is_file = path.suffix.lower() == ".onnx" or path.is_file()
    _require_page(images, output, chosen=bool(chosen), weights=pretrained or weights is not None, is_file=is_file)
    if output is not None:
        _require_another(output, [*map(Path, images or ()), *([] if weights is None else [weights])], run=path)
    if is_file:
        from export.adoption.layers import graph_layers

        graph = graph_layers(path, size=size)
        sides = None if graph.height is None else f"{graph.height} x {graph.width}"
        without = "not known"
        print_layers(path.name, sides, graph.layers, graph.num_parameters, without_shape=without, as_json=as_json)
        return
    from trainer.run.network_layers import is_run, network_layers, run_layers

    if is_run(path) and (size is not None or pretrained or weights is not None):
        got = "--size" if size is not None else "--pretrained" if pretrained else "--weights"
        raise UsageError("options of a run", expected="none, it has its own size and weights", got=got, where=path)
    try:
        if images:
            from trainer.run.layer_maps import of_network, of_run, write_maps

            named = {"size": size, "pretrained": pretrained, "weights": weights}
            network = of_run(path) if is_run(path) else of_network(what, **named)  # type: ignore[arg-type]
            assert output is not None
            print_page(write_maps(network, images, output, chosen or ()), output, as_json=as_json)
            return
        found = run_layers(path) if is_run(path) else network_layers(what, size=size)
    except UsageError as error:
        if error.where != "--base":
            raise
        if path.is_dir():
            expected, mend = (
                "one with config.yaml, as train writes it",
                "artifacts are listed by their files, NAME.onnx",
            )
            raise UsageError("run", expected=expected, got="another folder", where=path, mend=mend) from None
        raise error.but(where="NET|RUN|FILE.onnx") from None
    sides, without = f"{found.size} x {found.size}", "no tensor"
    print_layers(found.network, sides, found.layers, found.num_parameters, without_shape=without, as_json=as_json)


def _require_another(output: Path, read: list[Path], *, run: Path) -> None:
    """See that the page is written over nothing that is read; raises UsageError."""
    target = output.resolve()
    if target in [file.resolve() for file in read] or (target.parent == run.resolve() and target.exists()):
        expected = "another file than the pictures, the weights and those of the run"
        raise UsageError("--output", expected=expected, got=str(output))


def _require_page(images: list[str] | None, output: Path | None, *, chosen: bool, weights: bool, is_file: bool) -> None:
    """Pictures and a page go together, and what belongs to them; raises UsageError."""
    if images and is_file:
        got = "an ONNX file"
        raise UsageError("--image", expected="a run, or a network by name", got=got, mend="its layers can be listed")
    if bool(images) != (output is not None):
        given, missing = ("--image", "--output FILE.html") if images else ("--output", "--image FILE")
        raise UsageError(given, expected=f"{missing} beside it", got="none")
    for name, is_given in (("--layer", chosen), ("--pretrained or --weights", weights)):
        if is_given and not images:
            raise UsageError(name, expected="--image FILE beside it", got="none", mend="without it layers are listed")
