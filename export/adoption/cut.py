"""The cut of a foreign graph at one value, before anything is judged: only what that value needs has to be sound.

A model of images and text is one file with both towers in it. What the cut leaves out (other inputs, weights that are
missing, operators that nobody here knows, types that are no tensors) does not matter, so it is gone before the inputs,
the weights and the operators are looked at.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING

from artifact.errors import ArtifactError, UsageError
from artifact.listing import quoted
from artifact.model.notes import strip_notes
from export.adoption.reasons import first_line
from export.folding import read_by

if TYPE_CHECKING:
    import onnx

_POOLS = ("GlobalAveragePool", "GlobalMaxPool", "AveragePool", "ReduceMean", "ReduceMax", "Flatten")
_OF_SHAPES = ("Shape", "Size", "ConstantOfShape")
DEFAULT_DOMAINS = ("", "ai.onnx")
OUTPUT_OPTION = "--output"
"""What names the value of a vector; that of a map with boxes, or of a detector, has another."""


def cut_to_output(
    model: onnx.ModelProto,
    name: str | None,
    path: Path,
    *,
    option: str = OUTPUT_OPTION,
    others: Mapping[str, str] | None = None,
) -> tuple[onnx.ModelProto, str]:
    """The part of a network that one value needs, functions inlined, and the value's name.

    Args:
        name: a value or a node; None: the only output.
        path: of the network, for messages.
        option: that names the value, for messages.
        others: {option: value} of further values, which become outputs behind it.

    Raises:
        UsageError: no such value, with the nearest names, or several outputs and none named.
        ArtifactError: functions that cannot be inlined, a graph that goes in a circle.
    """
    drop_weights_from_inputs(model)
    values = _values(model.graph)
    if name is not None and name not in values and model.functions:
        model = _inlined(model, path)  # the name may be that of a value inside a function
        values = _values(model.graph)
    value = _only_output(model, path) if name is None else values.get(name)
    asked = {option: (name, value)}
    asked |= {each: (other, values.get(other)) for each, other in (others or {}).items()}
    for each, (word, found) in asked.items():
        if found is None:
            near = difflib.get_close_matches(str(word), values, n=5, cutoff=0.4)
            raise UsageError(
                f"no value {word!r} in the graph",
                expected=f"such as {quoted(near or [output.name for output in model.graph.output])}",
                where=path,
                mend=f"name another with {each}",
            )
    outputs = [str(found) for _, found in asked.values()]
    part = _part(model, outputs, path)
    if part.functions:
        part = _part(_inlined(part, path), outputs, path)  # again: a function may make more than what is needed of it
    strip_notes(part)
    return part, outputs[0]


def values_of_the_image(model: onnx.ModelProto) -> list[str]:
    """Values that need one image and no other input, the best first: outputs, then those furthest behind.

    Of inner values only those count that are read together with what comes from elsewhere: there a tower ends.
    """
    graph = model.graph
    weights = _weights(graph)
    inputs = [value for value in graph.input if value.name not in weights]
    needs: dict[str, frozenset[str]] = {value.name: frozenset([value.name]) for value in inputs}
    makers = {}
    try:
        nodes = _in_order(graph, _reads(graph, range(len(graph.node))))
    except CycleError:
        nodes = list(graph.node)
    for node in nodes:
        read = frozenset().union(*(needs.get(name, frozenset()) for name in read_by(node)))
        for name in node.output:
            needs[name], makers[name] = read, node.op_type
    images = {value.name for value in inputs if may_be_image(value)}
    alone = {name for name in makers if name and len(needs[name]) == 1 and needs[name] <= images}
    ends = [
        name
        for node in nodes
        if not alone.issuperset(name for name in node.output if name)
        for name in node.input
        if name in alone and makers[name] not in _OF_SHAPES
    ]
    outputs = [value.name for value in graph.output if value.name in alone]
    return list(dict.fromkeys([*outputs, *reversed(ends)]))


def pooled_values(model: onnx.ModelProto) -> list[str]:
    """What pooling nodes give, in the order of the graph."""
    return [node.output[0] for node in model.graph.node if node.op_type in _POOLS and node.output]


def may_be_image(value: onnx.ValueInfoProto) -> bool:
    """Whether an input has the type and the axes of images with three channels."""
    kind = value.type.tensor_type
    dims = [dim.dim_value or None for dim in kind.shape.dim]
    is_float = kind.elem_type in (1, 10)  # float32, float16
    return is_float and len(dims) == 4 and (dims[1] in (3, None) or dims[3] in (3, None))


def drop_weights_from_inputs(model: onnx.ModelProto) -> None:
    """Old exporters list every weight among the inputs too, as a default that a caller may replace."""
    weights = _weights(model.graph)
    kept = [value for value in model.graph.input if value.name not in weights]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def _only_output(model: onnx.ModelProto, path: Path) -> str:
    outputs = [value.name for value in model.graph.output]
    if len(outputs) == 1:
        return str(outputs[0])
    near = [name for name in values_of_the_image(model) if name in outputs]
    raise UsageError(
        "the network has several outputs" if outputs else "the network has no output",
        got=quoted(outputs) or None,
        where=path,
        mend="name one with --output" + (f", such as --output {near[0]}" if near else ""),
    )


def _values(graph: onnx.GraphProto) -> dict[str, str]:
    """{value or node: value}."""
    values = {value: value for node in graph.node for value in node.output if value}
    return {node.name: node.output[0] for node in graph.node if node.name and node.output} | values


def _weights(graph: onnx.GraphProto) -> set[str]:
    names = {tensor.name for tensor in graph.initializer}
    return names | {tensor.values.name for tensor in graph.sparse_initializer}


def _inlined(model: onnx.ModelProto, path: Path) -> onnx.ModelProto:
    import onnx.inliner

    try:
        return onnx.inliner.inline_local_functions(model)
    except Exception as error:  # the C++ inliner's exceptions share no base class
        raise ArtifactError("not a valid ONNX graph", got=first_line(error), where=path) from None


def _part(model: onnx.ModelProto, outputs: Sequence[str], path: Path) -> onnx.ModelProto:
    """A model of the nodes, weights, inputs, functions and opsets that some values need."""
    import onnx

    graph = model.graph
    nodes = _needed_nodes(graph, outputs, path)
    needed = set(outputs).union(*(read_by(node) for node in nodes))
    part = onnx.ModelProto()
    for field in ("ir_version", "producer_name", "producer_version", "domain", "model_version"):
        if model.HasField(field):
            setattr(part, field, getattr(model, field))
    part.graph.name = "lookalike"
    part.graph.node.extend(nodes)
    part.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in needed)
    part.graph.sparse_initializer.extend(each for each in graph.sparse_initializer if each.values.name in needed)
    part.graph.input.extend(value for value in graph.input if value.name in needed)
    for output in dict.fromkeys(outputs):
        part.graph.output.add(name=output)
    functions = _needed_functions(nodes, {(each.domain, each.name): each for each in model.functions})
    part.functions.extend(functions)
    domains = {node.domain for body in (nodes, *(each.node for each in functions)) for node in all_nodes(body)}
    domains |= {*DEFAULT_DOMAINS} if len(nodes) < len(graph.node) else {each.domain for each in model.opset_import}
    part.opset_import.extend(each for each in model.opset_import if each.domain in domains)
    return part


def _needed_nodes(graph: onnx.GraphProto, outputs: Sequence[str], path: Path) -> list[onnx.NodeProto]:
    """The nodes that some values need, makers before readers."""
    start = [number for number, node in enumerate(graph.node) if not set(outputs).isdisjoint(node.output)]
    try:
        return _in_order(graph, _reads(graph, start))
    except CycleError:
        raise ArtifactError("the graph goes in a circle", where=path) from None


def _reads(graph: onnx.GraphProto, start: Iterable[int]) -> dict[int, set[int]]:
    """{number of a node: those of the nodes that it reads from}, of some nodes and all that they need."""
    makers = {value: number for number, node in enumerate(graph.node) for value in node.output if value}
    reads: dict[int, set[int]] = {}
    todo = list(start)
    while todo:
        number = todo.pop()
        if number not in reads:
            reads[number] = {makers[value] for value in read_by(graph.node[number]) if value in makers}
            todo.extend(reads[number])
    return reads


def _in_order(graph: onnx.GraphProto, reads: dict[int, set[int]]) -> list[onnx.NodeProto]:
    """The nodes, makers before readers: in the order of the graph where that is so already; raises CycleError."""
    order = sorted(reads)
    if any(before >= number for number in order for before in reads[number]):
        order = list(TopologicalSorter(reads).static_order())
    return [graph.node[number] for number in order]


def _needed_functions(
    nodes: Iterable[onnx.NodeProto], known: Mapping[tuple[str, str], onnx.FunctionProto]
) -> list[onnx.FunctionProto]:
    found: dict[tuple[str, str], onnx.FunctionProto] = {}
    todo = list(all_nodes(nodes))
    while todo:
        node = todo.pop()
        key = (node.domain, node.op_type)
        if key in known and key not in found:
            found[key] = known[key]
            todo.extend(all_nodes(known[key].node))
    return [function for key, function in known.items() if key in found]


def all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    """Nodes, and those of their subgraphs."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from all_nodes(graph.node)
