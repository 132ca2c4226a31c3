"""The batch of a foreign network, made dynamic in three ways, of which the first that keeps parity is taken.

- `declared`: only the shape of the input is named anew. Enough for most convolutional networks.
- `rewritten`: shapes that the exporter wrote down for its one example get a free first axis, and constants that are
  joined to images (a class token) are repeated for each image. Enough for transformers that keep the batch in front.
- `one by one`: the network becomes the body of a Scan over the images. Right for every network of batch 1, whatever it
  does with its axes, but a batch is no faster than its images alone.

None of them is trusted: batches of 1, 2 and 7 of each are compared with what the untouched network gave for single
images, and no vector may move with its neighbours (independence.py). A quantised network whose vectors do, because it
quantises by the range of a whole batch, runs one by one; of any other this is a mistake of its export, and refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from artifact.arrays import Vectors
from artifact.errors import ParityError
from artifact.images.cores import available_cores
from artifact.images.decoding import Pixels
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT
from export.adoption.foreign import ForeignInput, ForeignNetwork
from export.adoption.independence import batch_wide_node, find_dependence
from export.adoption.original import Original, load_session
from export.adoption.reasons import first_line
from export.adoption.surgery import OURS, rename, set_image_shape, with_pixels
from export.folding import fold_constants, read_by
from serving.probe import BATCHES

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class AdoptedParity:
    """Largest |original - adopted| over batches of 1, 2 and 7, and the limit it had to keep."""

    max_abs: float
    limit: float
    batches: tuple[int, ...] = BATCHES


def with_dynamic_batch(
    original: Original,
    model: onnx.ModelProto,
    pixels: Any,
    vectors: Vectors,
    *,
    precision: str,
    tolerance: float,
    is_single: bool = False,
) -> tuple[bytes, str, AdoptedParity]:
    """The artifact's graph in the first variant that keeps parity; ParityError with the reasons of all that do not.

    Args:
        is_single: the network answers for one image only, whatever it takes.
    """
    import onnx

    image, spec = original.foreign.image, original.preprocessing
    batch_wide = batch_wide_node(model, image.name)
    reasons = []
    for name, variant in VARIANTS.items():
        if name != ONE_BY_ONE and is_single:
            continue
        if name == ONE_BY_ONE and image.batch not in (None, 1):
            reasons.append(f"{name}: needs a network of batch 1")
            continue
        if name != ONE_BY_ONE and batch_wide is not None:
            reasons.append(f"{name}: {batch_wide} quantises by the range of a whole batch")
            continue
        try:
            whole = with_pixels(
                variant(model, image, spec.height, spec.width),
                image,
                spec,
                bgr=original.bgr,
                embedding_dim=vectors.shape[1],
            )
            onnx.checker.check_model(whole)
            data = whole.SerializeToString(deterministic=True)
            session = load_session(data, original.foreign)
            parity = _compare(session, original.foreign, pixels, vectors, tolerance)
            if name != ONE_BY_ONE:
                _require_independence(session, original, precision)
            return data, name, parity
        except _DifferentError as error:
            # of a single image nothing but the opset was changed; what is quantised may be meant to run one by one
            is_conversion = error.batch == 1 and image.batch in (None, 1)
            if name == "declared" and (is_conversion or (image.batch is None and precision != "int8")):
                raise
            reasons.append(f"{name}: {error.got}")
        except Exception as error:  # a rewritten graph may be wrong in any way that onnx and onnxruntime know
            reasons.append(f"{name}: {getattr(error, 'got', None) or first_line(error)}")
    raise ParityError(
        f"the batch of {image.batch or 'N'} cannot be made dynamic",
        expected=f"batches of {', '.join(map(str, BATCHES))} to give the vectors of single images",
        got="; ".join(reasons),
        where=original.foreign.path,
        mend="export it again with a dynamic batch",
    )


Variant = Callable[["onnx.ModelProto", ForeignInput, int, int], "onnx.ModelProto"]


def declared(model: onnx.ModelProto, image: ForeignInput, height: int, width: int) -> onnx.ModelProto:
    """The network with a named first axis, and nothing else changed."""
    copy = _copy(model)
    set_image_shape(copy, image, "N", height, width)
    return copy


def rewritten(model: onnx.ModelProto, image: ForeignInput, height: int, width: int) -> onnx.ModelProto:
    """The network with the shapes of Reshape nodes freed in front, and constants repeated before they are joined."""
    import onnx
    from onnx import helper, numpy_helper

    copy = _copy(model)
    set_image_shape(copy, image, image.batch or 1, height, width)
    fold_constants(copy, [image.name])
    shapes = {tensor.name: list(tensor.dims) for tensor in copy.graph.initializer} | _reshaped(copy)
    of_image, nodes = {image.name}, []
    for node in copy.graph.node:
        if of_image.isdisjoint(read_by(node)):
            nodes.append(node)
            continue
        of_image.update(node.output)
        if node.op_type == "Reshape" and shapes[node.output[0]]:
            name = f"{OURS}shape/{node.output[0]}"
            free = np.array([-1, *shapes[node.output[0]][1:]], np.int64)
            copy.graph.initializer.append(numpy_helper.from_array(free, name))
            node.input[1] = name
        if node.op_type == "Concat" and _axis_of(node) != 0:
            for i, part in enumerate(node.input):
                shape = shapes.get(part)
                if part not in of_image and shape and len(shape) > 1 and shape[0] == (image.batch or 1) == 1:
                    node.input[i] = f"{OURS}repeated/{node.output[0]}/{i}"
                    nodes.extend(_repeat(copy.graph, part, node.input[i], image.name, len(shape)))
        nodes.append(node)
    own = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del copy.graph.node[:]
    copy.graph.node.extend(own)
    set_image_shape(copy, image, "N", height, width)
    copy.graph.output[0].CopyFrom(helper.make_empty_tensor_value_info(copy.graph.output[0].name))
    return copy


def one_by_one(model: onnx.ModelProto, image: ForeignInput, height: int, width: int) -> onnx.ModelProto:
    """A Scan over the first axis, whose body is the network on a batch of 1."""
    from onnx import TensorProto, helper, numpy_helper

    copy = _copy(model)
    set_image_shape(copy, image, "N", height, width)
    kind = copy.graph.input[0].type.tensor_type.elem_type
    given = model.graph.output[0].type.tensor_type.elem_type or kind
    spatial = [dim.dim_value for dim in copy.graph.input[0].type.tensor_type.shape.dim[1:]]
    output, single, vector = copy.graph.output[0].name, f"{OURS}single", f"{OURS}single_vector"
    body = helper.make_graph(
        [
            helper.make_node("Unsqueeze", [single, f"{OURS}first_axis"], [f"{OURS}batch_of_1"]),
            *copy.graph.node,
            helper.make_node("Reshape", [output, f"{OURS}flat"], [vector]),
        ],
        "one image",
        [helper.make_tensor_value_info(single, kind, spatial)],
        [helper.make_tensor_value_info(vector, given, None)],
    )
    rename(body, {image.name: f"{OURS}batch_of_1"})  # in the branches of an If as well
    scan = helper.make_node("Scan", [image.name], [f"{OURS}scanned"], body=body, num_scan_inputs=1)
    del copy.graph.node[:]
    copy.graph.node.append(scan)
    copy.graph.output[0].name = f"{OURS}scanned"
    for name, values in (("first_axis", [0]), ("flat", [-1])):
        copy.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), OURS + name))
    assert kind in (TensorProto.FLOAT, TensorProto.FLOAT16)  # read_foreign took no other
    return copy


ONE_BY_ONE = "one by one"
VARIANTS: dict[str, Variant] = {"declared": declared, "rewritten": rewritten, ONE_BY_ONE: one_by_one}


_DEPENDS = "the vectors of the network depend on the other images of its batch"


class _DifferentError(ParityError):
    """A graph that runs and gives other vectors: for a single image, or for the same images in a batch."""

    def __init__(self, what: str, *, batch: int, **facts: Any) -> None:
        super().__init__(what, **facts)
        self.batch = batch


def _compare(session: Any, foreign: ForeignNetwork, pixels: Any, vectors: Vectors, tolerance: float) -> AdoptedParity:
    limit = tolerance * float(np.abs(vectors).max())
    worst, start = 0.0, 0
    for batch in BATCHES:
        rows = slice(start, start + batch)
        start += batch
        try:
            got = session.run([BRANCH_OUTPUT], {BRANCH_INPUT: pixels[rows]})[0]
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ParityError(f"a batch of {batch} does not run", got=first_line(error)) from None
        want = vectors[rows]
        difference = float(np.abs(got - want).max()) if got.shape == want.shape else float("inf")
        if not difference <= limit:  # also catches NaN
            raise _DifferentError(
                _DEPENDS if batch > 1 else f"the network does not survive the conversion from opset {foreign.opset}",
                batch=batch,
                expected=f"max |difference| <= {limit:.2g}",
                got=f"{difference:.2g} in a batch of {batch}",
                where=foreign.path,
                mend="export it in eval mode" if batch > 1 else "export it again with opset 20 or later",
            )
        worst = max(worst, difference)
    return AdoptedParity(worst, limit)


def _require_independence(session: Any, original: Original, precision: str) -> None:
    def run(pixels: Pixels) -> Vectors:
        return np.asarray(session.run([BRANCH_OUTPUT], {BRANCH_INPUT: pixels})[0], np.float32)

    spec = original.preprocessing
    found = find_dependence(run, spec.height, spec.width, precision=precision)
    if found is not None:
        raise _DifferentError(
            _DEPENDS,
            batch=found.batch,
            expected=f"a picture's vector to move by {found.limit:.2g} of its length at most",
            got=f"{found.moved:.2g} beside {found.beside} in a batch of {found.batch}",
            where=original.foreign.path,
            mend="export it in eval mode",
        )


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def _axis_of(node: onnx.NodeProto) -> int:
    return next((int(attribute.i) for attribute in node.attribute if attribute.name == "axis"), 0)


def _reshaped(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Shapes of what Reshape nodes give for the batch that the network was exported with: seen by running it."""
    import onnxruntime

    names = [node.output[0] for node in model.graph.node if node.op_type == "Reshape"]
    if not names:
        return {}
    shown = _copy(model)
    for name in set(names) - {value.name for value in shown.graph.output}:
        shown.graph.output.add(name=name)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(shown.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = session.get_inputs()[0]
    dtype = np.float16 if wanted.type == "tensor(float16)" else np.float32
    values = session.run(names, {wanted.name: np.zeros(wanted.shape, dtype)})
    return {name: list(value.shape) for name, value in zip(names, values, strict=True)}


def _repeat(graph: onnx.GraphProto, part: str, result: str, image: str, rank: int) -> list[onnx.NodeProto]:
    """Nodes that repeat a constant [1, ...] for each image."""
    from onnx import helper, numpy_helper

    ones, shape = f"{result}/ones", f"{result}/shape"
    graph.initializer.append(numpy_helper.from_array(np.ones(rank - 1, np.int64), ones))
    return [
        helper.make_node("Shape", [image], [f"{result}/images"], start=0, end=1),
        helper.make_node("Concat", [f"{result}/images", ones], [shape], axis=0),
        helper.make_node("Expand", [part, shape], [result]),
    ]
