"""Values of an ONNX graph that formulas of distances can be written over, so that a graph computes what training did.

A formula (artifact/distances) that is called with values instead of arrays leaves its nodes behind: `a - b` is a Sub.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from artifact.arrays import AnyArray
from artifact.namespace import Namespace


class Nodes:
    """Nodes and constants of a graph in the making, named in order, so that the same formula gives the same bytes."""

    def __init__(self, prefix: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._prefix = prefix

    def number(self, value: float) -> str:
        """Name of a new float32 constant."""
        return self._constant(np.array(value, np.float32))

    def integers(self, values: int | list[int]) -> str:
        """Name of a new int64 constant: an index, a shape or axes."""
        return self._constant(np.array(values, np.int64))

    def _constant(self, array: AnyArray) -> str:
        name = f"{self._prefix}constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, op_type: str, *inputs: str, output: str | None = None, **attributes: int | float | str) -> Value:
        """A new node; its output's name follows from its number unless given."""
        name = f"{self._prefix}{len(self.nodes)}"
        node = helper.make_node(op_type, inputs, [output or name], name=f"{name}_{op_type}")
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes.items())
        self.nodes.append(node)
        return Value(self, output or name)


class Value:
    """A float value of a graph, [N, n] or [N]; operators on it add nodes."""

    def __init__(self, graph: Nodes, name: str) -> None:
        self.graph, self.name = graph, name

    def __add__(self, other: Value | float) -> Value:
        return self._with("Add", other)

    def __radd__(self, other: float) -> Value:
        return self._with("Add", other)

    def __sub__(self, other: Value | float) -> Value:
        return self._with("Sub", other)

    def __rsub__(self, other: float) -> Value:
        return self.graph.add("Sub", self.graph.number(other), self.name)

    def __mul__(self, other: Value | float) -> Value:
        return self._with("Mul", other)

    def __rmul__(self, other: float) -> Value:
        return self._with("Mul", other)

    def __truediv__(self, other: Value | float) -> Value:
        return self._with("Div", other)

    def __rtruediv__(self, other: float) -> Value:
        return self.graph.add("Div", self.graph.number(other), self.name)

    def __neg__(self) -> Value:
        return self.graph.add("Neg", self.name)

    def __abs__(self) -> Value:
        return self.graph.add("Abs", self.name)

    def _with(self, op_type: str, other: Value | float) -> Value:
        right = other.name if isinstance(other, Value) else self.graph.number(other)
        return self.graph.add(op_type, self.name, right)


class _GraphNamespace:
    """The namespace of values of a graph."""

    def sum(self, values: Value) -> Value:
        axis = values.graph.integers([-1])
        return values.graph.add("ReduceSum", values.name, axis, keepdims=0)

    def length(self, values: Value) -> Value:
        return self.sqrt(self.sum(values * values))

    def sqrt(self, values: Value) -> Value:
        return values.graph.add("Sqrt", values.name)

    def at_least(self, values: Value, least: float) -> Value:
        return values.graph.add("Max", values.name, values.graph.number(least))

    def relu(self, values: Value) -> Value:
        return values.graph.add("Relu", values.name)

    def softplus(self, values: Value) -> Value:
        return values.graph.add("Softplus", values.name)

    def where(self, condition: Value, yes: Value, no: Value) -> Value:
        return yes.graph.add("Where", condition.name, yes.name, no.name)


VALUES: Namespace = _GraphNamespace()
