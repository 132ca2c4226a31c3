"""A network of images and text in one file, as CLIP is exported: by hand, with whatever may be wrong with its text.

Image: patches of 4 x 4, averaged, to unit vectors [N, 6]. Text: ids and a mask, averaged, to unit vectors [M, 6].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE, DIM = 16, 6


def weights() -> dict[str, np.ndarray]:
    """Of both towers, from a seed."""
    random = np.random.default_rng(5)
    return {
        "kernel": random.standard_normal((8, 3, 4, 4)).astype(np.float32),
        "projection": random.standard_normal((8, DIM)).astype(np.float32),
        "words": random.standard_normal((20, DIM)).astype(np.float32),
        "temperature": np.float32(2.5),
        "last": np.array([-1]),
        "words_axis": np.array([1]),
        "spread": np.array([2]),
    }


def image_vectors(planes: np.ndarray) -> np.ndarray:
    """What the images' tower gives for normalised float [N, 3, 16, 16], by NumPy: [N, 6]."""
    made = weights()
    patches = planes.reshape(len(planes), 3, 4, 4, 4, 4)  # N, channel, row of patches, row, column of patches, column
    features = np.einsum("ncikjl,fckl->nfij", patches, made["kernel"]).clip(0).mean(axis=(2, 3))
    vectors = features @ made["projection"]
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def two_towers(*, opset: int = 17, outputs: tuple[str, ...] = ()) -> onnx.ModelProto:
    """The whole network; by default with CLIP's four outputs."""
    image = [
        helper.make_node("Conv", ["pixel_values", "kernel"], ["patches"], name="patches", strides=[4, 4]),
        helper.make_node("Relu", ["patches"], ["positive"]),
        helper.make_node("GlobalAveragePool", ["positive"], ["pooled"], name="pool"),
        helper.make_node("Flatten", ["pooled"], ["features"], name="features"),
        helper.make_node("MatMul", ["features", "projection"], ["image_vector"]),
        helper.make_node("LpNormalization", ["image_vector"], ["image_embeds"], axis=-1, p=2),
    ]
    text = [
        helper.make_node("Gather", ["words", "input_ids"], ["embedded"], name="look_up"),
        helper.make_node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["mask", "spread"], ["column"]),
        helper.make_node("Mul", ["embedded", "column"], ["masked"]),
        helper.make_node("ReduceSum", ["masked", "words_axis"], ["text_vector"], keepdims=0),
        helper.make_node("LpNormalization", ["text_vector"], ["text_embeds"], axis=-1, p=2),
    ]
    both = [
        helper.make_node("Transpose", ["text_embeds"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["image_embeds", "turned"], ["cosines"]),
        helper.make_node("Mul", ["cosines", "temperature"], ["logits_per_image"]),
        helper.make_node("Transpose", ["logits_per_image"], ["logits_per_text"], perm=[1, 0]),
    ]
    names = outputs or ("logits_per_image", "logits_per_text", "text_embeds", "image_embeds")
    pixels = ["image_batch", "num_channels", "height", "width"]
    graph = helper.make_graph(
        [*text, *image, *both],
        "two towers",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["text_batch", "sequence"]),
            helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, pixels),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["text_batch", "sequence"]),
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in weights().items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def _initializer(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def _replace(model: onnx.ModelProto, output: str, *nodes: onnx.NodeProto) -> None:
    """Other nodes in the place of the one that makes a value."""
    place = next(number for number, node in enumerate(model.graph.node) if output in node.output)
    del model.graph.node[place]
    for node in reversed(nodes):
        model.graph.node.insert(place, node)


def of_custom_operator(model: onnx.ModelProto) -> None:
    """An operator of a domain that nobody here has."""
    model.opset_import.append(helper.make_opsetid("ai.tokens", 3))
    _replace(model, "embedded", helper.make_node("LookUp", ["input_ids", "words"], ["embedded"], domain="ai.tokens"))


def of_unknown_operator(model: onnx.ModelProto) -> None:
    """An operator that the default domain does not have."""
    _replace(model, "embedded", helper.make_node("Wonder", ["input_ids", "words"], ["embedded"]))


def of_missing_weights(model: onnx.ModelProto) -> None:
    """The table of words in a file that is not there."""
    tensor = _initializer(model, "words")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="words.bin")


def of_stolen_weights(model: onnx.ModelProto) -> None:
    """The table of words in a file that nobody may read through it."""
    of_missing_weights(model)
    _initializer(model, "words").external_data[0].value = "../../../etc/passwd"


def of_nan_weights(model: onnx.ModelProto) -> None:
    """NaN in the table of words."""
    words = weights()["words"]
    words[3] = np.nan
    _initializer(model, "words").CopyFrom(numpy_helper.from_array(words, "words"))


def of_sequences(model: onnx.ModelProto) -> None:
    """A sequence of tensors, and an input that is one."""
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, None))
    model.graph.input.append(helper.make_value_info("extras", kind))
    _replace(
        model,
        "column",
        helper.make_node("Unsqueeze", ["mask", "spread"], ["one_column"]),
        helper.make_node("SequenceInsert", ["extras", "one_column"], ["several"]),
        helper.make_node("SequenceAt", ["several", "first"], ["column"]),
    )
    model.graph.initializer.append(numpy_helper.from_array(np.array(-1), "first"))


def of_control_flow(model: onnx.ModelProto) -> None:
    """An If whose branches read what is outside of them."""
    branches = {
        name: helper.make_graph(
            [helper.make_node("Mul", ["embedded", "column"], [f"{name}_out"])],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)],
        )
        for name in ("then_branch", "else_branch")
    }
    model.graph.input.append(helper.make_tensor_value_info("use_mask", TensorProto.BOOL, [1]))
    _replace(model, "masked", helper.make_node("If", ["use_mask"], ["masked"], **branches))


def of_random_numbers(model: onnx.ModelProto) -> None:
    """Noise on the text, as in training."""
    _replace(
        model,
        "masked",
        helper.make_node("Mul", ["embedded", "column"], ["exact"]),
        helper.make_node("RandomNormalLike", ["exact"], ["noise"]),
        helper.make_node("Add", ["exact", "noise"], ["masked"]),
    )


def of_broken_function(model: onnx.ModelProto) -> None:
    """A function of its own with an operator that nobody has."""
    model.opset_import.append(helper.make_opsetid("own", 1))
    body = [helper.make_node("Wonder", ["ids", "table"], ["found"])]
    opsets = [helper.make_opsetid("", 17)]
    model.functions.append(helper.make_function("own", "LookUp", ["ids", "table"], ["found"], body, opsets))
    _replace(model, "embedded", helper.make_node("LookUp", ["input_ids", "words"], ["embedded"], domain="own"))


def of_another_image(model: onnx.ModelProto) -> None:
    """A second image input, which the text is masked with."""
    model.graph.input.append(helper.make_tensor_value_info("depth", TensorProto.FLOAT, ["N", 3, SIDE, SIDE]))
    _replace(
        model,
        "column",
        helper.make_node("ReduceMean", ["depth"], ["brightness"], axes=[2, 3], keepdims=0),
        helper.make_node("Unsqueeze", ["brightness", "spread"], ["column"]),
    )


BLEMISHES: dict[str, Callable[[onnx.ModelProto], None]] = {
    "nothing": lambda model: None,
    "custom operator": of_custom_operator,
    "unknown operator": of_unknown_operator,
    "missing weights": of_missing_weights,
    "weights outside": of_stolen_weights,
    "NaN weights": of_nan_weights,
    "sequences": of_sequences,
    "control flow": of_control_flow,
    "random numbers": of_random_numbers,
    "broken function": of_broken_function,
    "another image": of_another_image,
}
"""What may be wrong with the text, none of which matters to the images."""
