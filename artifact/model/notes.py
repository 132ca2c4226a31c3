"""Notes that exporters write beside a graph, and their removal: stack traces with paths, module names, inner shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx


def strip_notes(model: onnx.ModelProto) -> None:
    """Remove every note from a model, its functions and subgraphs; what it computes stays the same."""
    for field in ("metadata_props", "doc_string", "training_info"):
        model.ClearField(field)
    _strip_graph(model.graph)
    for function in model.functions:
        _strip(function)
        _strip_nodes(function)
    model.graph.name = "lookalike"


def _strip_graph(graph: onnx.GraphProto) -> None:
    _strip(graph)
    graph.ClearField("quantization_annotation")
    for part in (*graph.initializer, *graph.input, *graph.output):
        _strip(part)
    _strip_nodes(graph)


def _strip_nodes(part: onnx.GraphProto | onnx.FunctionProto) -> None:
    part.ClearField("value_info")  # not needed, and often named after source lines
    for node in part.node:
        _strip(node)
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
            if attribute.HasField("g"):
                _strip_graph(attribute.g)
            for graph in attribute.graphs:
                _strip_graph(graph)


def _strip(part: object) -> None:
    part.ClearField("metadata_props")  # type: ignore[attr-defined] # every message of ONNX has both fields
    part.ClearField("doc_string")  # type: ignore[attr-defined]
