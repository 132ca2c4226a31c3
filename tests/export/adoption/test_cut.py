"""The cut comes first: what only another part of the file needs is not judged, whatever it is."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from artifact.errors import LookalikeError
from export.adoption.adopt import adopt
from export.adoption.adopted import Adopted
from serving.engine import Engine
from serving.probe import probe_pixels
from tests.shared.command_line import Cli
from tests.shared.foreign_networks import MEAN, STD, save
from tests.shared.two_towers import BLEMISHES, SIDE, image_vectors, two_towers, weights

PIXELS = probe_pixels(np.random.default_rng(3), 5, SIDE, SIDE)
PLANES = ((PIXELS / 255 - MEAN) / STD).transpose(0, 3, 1, 2)
SIZE = (SIDE, SIDE)


def run(adopted: Adopted, folder: Path) -> np.ndarray:
    adopted.write(folder / "out.onnx")
    return Engine(folder / "out.onnx").run({"image": PIXELS})["embedding"]


@pytest.mark.parametrize("blemish", list(BLEMISHES))
def test_the_images_tower_is_adopted_whatever_the_text_has(blemish: str, tmp_path: Path) -> None:
    """Three inputs, an operator, weights or types that cannot be had: the image's vectors are NumPy's all the same."""
    model = two_towers()
    BLEMISHES[blemish](model)
    adopted = adopt(save(model, tmp_path / "clip.onnx"), mean=MEAN, std=STD, size=SIZE, output="image_embeds")
    assert (adopted.batching, adopted.manifest.normalized) == ("declared", True)
    assert adopted.manifest.training["external"] == {}
    np.testing.assert_allclose(run(adopted, tmp_path), image_vectors(PLANES), atol=1e-5)
    kept = onnx.load_from_string(adopted.model)
    assert "words" not in {tensor.name for tensor in kept.graph.initializer}
    assert {entry.domain for entry in kept.opset_import} == {""}


def test_the_command_adopts_it_and_names_what_would_do(cli: Cli, tmp_path: Path) -> None:
    """Without --output, and with one that needs the text too, the refusal ends in the command that works."""
    save(two_towers(), tmp_path / "clip.onnx")
    base = ["adopt", "clip.onnx", "--mean", "0.5", "--std", "0.25", "--size", str(SIDE)]
    for options in ([], ["--output", "logits_per_image"], ["--output", "text_embeds"]):
        code, _, err = cli(*base, *options)
        assert code in (1, 2)
        assert err.strip().endswith("--output image_embeds")
        assert len(err.strip().splitlines()) == 1
    code, out, _ = cli(*base, "--output", "image_embeds", "--json")
    assert code == 0
    assert json.loads(out)["output"] == "image_embeds"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (None, "several outputs: got 'logits_per_image', 'logits_per_text'.*name one with --output$"),
        ("logits_per_image", "inputs that 'logits_per_image' needs: expected one.*got 3: .*--output image_embeds$"),
        ("cosines", "inputs that 'cosines' needs: expected one.*got 3: .*--output image_embeds$"),
        ("embedded", "input 'input_ids': expected float32.*got int64.*--output image_embeds$"),
        ("imag_embeds", "no value 'imag_embeds' in the graph: expected such as 'image_embeds'"),
    ],
)
def test_an_inner_value_is_named_where_no_output_would_do(output: str | None, words: str, tmp_path: Path) -> None:
    """A file that gives logits alone: the last value that needs the image alone is told."""
    file = save(two_towers(outputs=("logits_per_image", "logits_per_text")), tmp_path / "clip.onnx")
    with pytest.raises(LookalikeError, match=words):
        adopt(file, mean=MEAN, std=STD, size=SIZE, output=output)
    assert adopt(file, mean=MEAN, std=STD, size=SIZE, output="image_embeds").manifest.embedding_dim == 6
    assert adopt(file, mean=MEAN, std=STD, size=SIZE, output="features").manifest.embedding_dim == 8  # a node's name


def test_two_images_share_a_tower(tmp_path: Path) -> None:
    """A network of pairs: either side's vector needs one image; their distance needs both, and is refused."""
    model = two_towers(outputs=("image_embeds",))
    left = [node for node in model.graph.node if node.output[0] in _IMAGE_VALUES]
    right = [onnx.NodeProto.FromString(node.SerializeToString()) for node in left]
    for node in right:
        node.name = ""
        for side in (node.input, node.output):
            for number, name in enumerate(side):
                side[number] = f"right_{name}" if name in (*_IMAGE_VALUES, "pixel_values") else name
    apart = helper.make_node("Sub", ["image_embeds", "right_image_embeds"], ["apart"])
    nodes = [*left, *right, apart]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    shape = ["N", 3, SIDE, SIDE]
    inputs = [
        helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in ("pixel_values", "right_pixel_values")
    ]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    model.graph.output.add().CopyFrom(helper.make_tensor_value_info("apart", TensorProto.FLOAT, None))
    file = save(model, tmp_path / "pairs.onnx")
    for output in ("image_embeds", "right_image_embeds"):
        adopted = adopt(file, mean=MEAN, std=STD, output=output)
        np.testing.assert_allclose(run(adopted, tmp_path), image_vectors(PLANES), atol=1e-5)
    with pytest.raises(LookalikeError, match=r"got 2: 'pixel_values', 'right_pixel_values'.*--output image_embeds"):
        adopt(file, mean=MEAN, std=STD, output="apart")


def test_a_branch_that_reads_what_is_outside_keeps_it(tmp_path: Path) -> None:
    """An If in the images' tower: what only its branches read stays; names of their own are no needs of the graph."""
    model = two_towers()
    branches = {
        name: helper.make_graph(
            [
                helper.make_node("Identity", ["projection"], ["input_ids"]),
                helper.make_node("MatMul", ["features", "input_ids"], [f"{name}_out"]),
            ],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)],
        )
        for name in ("then_branch", "else_branch")
    }
    place = next(number for number, node in enumerate(model.graph.node) if node.output[0] == "image_vector")
    del model.graph.node[place]
    model.graph.node.insert(place, helper.make_node("If", ["yes"], ["image_vector"], **branches))
    model.graph.initializer.append(numpy_helper.from_array(np.array([True]), "yes"))
    adopted = adopt(save(model, tmp_path / "if.onnx"), mean=MEAN, std=STD, size=SIZE, output="image_embeds")
    np.testing.assert_allclose(run(adopted, tmp_path), image_vectors(PLANES), atol=1e-5)


def test_a_function_of_its_own_is_inlined_and_cut_inside(tmp_path: Path) -> None:
    """The images' tower as a function: the value that it gives, and one inside of it by the name it gets."""
    model = two_towers()
    inside = [node for node in model.graph.node if node.output[0] in _IMAGE_VALUES]
    rest = [node for node in model.graph.node if node.output[0] not in _IMAGE_VALUES]
    opsets = [helper.make_opsetid("", 17)]
    takes = ["pixel_values", "kernel", "projection"]
    model.functions.append(helper.make_function("own", "Tower", takes, ["image_embeds"], inside, opsets))
    model.opset_import.append(helper.make_opsetid("own", 1))
    nodes = [helper.make_node("Tower", takes, ["image_embeds"], domain="own"), *rest]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    file = save(model, tmp_path / "function.onnx")
    adopted = adopt(file, mean=MEAN, std=STD, size=SIZE, output="image_embeds")
    np.testing.assert_allclose(run(adopted, tmp_path), image_vectors(PLANES), atol=1e-5)
    inlined = onnx.inliner.inline_local_functions(model)
    (features,) = [node.output[0] for node in inlined.graph.node if node.op_type == "Flatten"]
    assert adopt(file, mean=MEAN, std=STD, size=SIZE, output=features).manifest.embedding_dim == 8


def test_order_of_nodes_and_weights_among_the_inputs_do_not_matter(tmp_path: Path) -> None:
    """Readers before makers, as no exporter should write and some do; weights listed as inputs, as old ones did."""
    model = two_towers()
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in reversed(model.graph.node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for name, value in weights().items():
        kind = helper.np_dtype_to_tensor_dtype(np.asarray(value).dtype)
        model.graph.input.append(helper.make_tensor_value_info(name, kind, np.shape(value)))
    file = save(model, tmp_path / "net.onnx")
    adopted = adopt(file, mean=MEAN, std=STD, size=SIZE, output="image_embeds")
    np.testing.assert_allclose(run(adopted, tmp_path), image_vectors(PLANES), atol=1e-5)
    with pytest.raises(LookalikeError, match=r"got 3: .*--output image_embeds"):
        adopt(file, mean=MEAN, std=STD, size=SIZE, output="logits_per_text")
    model.graph.node[-1].input[0] = "image_embeds"  # in a circle, in what is cut away
    circle = adopt(save(model, tmp_path / "net.onnx"), mean=MEAN, std=STD, size=SIZE, output="image_embeds")
    assert circle.manifest.embedding_dim == 6


_IMAGE_VALUES = ("patches", "positive", "pooled", "features", "image_vector", "image_embeds")
