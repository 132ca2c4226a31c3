"""Independence of a batch: a network whose vectors move with their neighbours runs one by one, or is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from artifact.errors import ParityError
from export.adoption.adopt import adopt
from export.adoption.independence import MOST_BESIDE_OTHERS, find_dependence
from serving.engine import Engine
from serving.probe import plain_pixels, probe_pixels
from tests.shared.coupled_networks import COUPLED, QUANTISED, behind, node
from tests.shared.foreign_networks import MEAN, STD, save, small_graph

PICTURES = probe_pixels(np.random.default_rng(9), 4, 8, 8)
CROWD = np.concatenate([PICTURES, plain_pixels(8, 8), PICTURES[::-1]])


def alone(model: onnx.ModelProto, pictures: np.ndarray) -> np.ndarray:
    """What ONNX's own reference gives for each picture by itself."""
    by_reference = ReferenceEvaluator(model)
    planes = (((pictures / 255 - MEAN) / STD).transpose(0, 3, 1, 2)).astype(np.float32)
    return np.concatenate([by_reference.run(None, {"image": plane[None]})[0] for plane in planes])


@pytest.mark.parametrize("network", list(COUPLED))
def test_a_coupled_network_of_a_dynamic_batch_is_refused(network: str, tmp_path: Path) -> None:
    """However little a vector moves: what a batch of 1 gives is not what the network was made for."""
    with pytest.raises(ParityError, match=r"depend on the other images of its batch: expected .*; export it in eval"):
        adopt(save(COUPLED[network](), tmp_path / "net.onnx"), mean=MEAN, std=STD)


@pytest.mark.parametrize("network", [*COUPLED, *QUANTISED])
def test_a_coupled_network_of_batch_1_runs_one_by_one(network: str, tmp_path: Path) -> None:
    """Each vector is that of the picture alone, beside any others, in batches of any size."""
    model = (COUPLED | QUANTISED)[network](batch=1)
    adopted = adopt(save(model, tmp_path / "net.onnx"), mean=MEAN, std=STD)
    assert adopted.batching == "one by one"
    adopted.write(tmp_path / "out.onnx")
    _require_alone(Engine(tmp_path / "out.onnx"), alone(model, CROWD))


@pytest.mark.parametrize("network", list(QUANTISED))
def test_a_dynamically_quantised_network_runs_one_by_one(network: str, tmp_path: Path) -> None:
    """The range of a batch decides how coarse its numbers are: a dynamic batch does not mean that it may have one."""
    model = QUANTISED[network]()
    adopted = adopt(save(model, tmp_path / "net.onnx"), mean=MEAN, std=STD)
    assert (adopted.batching, adopted.manifest.precision) == ("one by one", "int8")
    adopted.write(tmp_path / "out.onnx")
    _require_alone(Engine(tmp_path / "out.onnx"), alone(model, CROWD))


@pytest.mark.parametrize("network", [*COUPLED, *QUANTISED])
def test_a_coupled_network_of_a_fixed_batch_is_refused(network: str, tmp_path: Path) -> None:
    """Of batch 4, which cannot run one by one: the reason says what it does."""
    words = r"batch of 4 cannot be made dynamic: .*declared: .*one by one: needs a network of batch 1"
    with pytest.raises(ParityError, match=words) as caught:
        adopt(save((COUPLED | QUANTISED)[network](batch=4), tmp_path / "net.onnx"), mean=MEAN, std=STD)
    if network == "quantize_dynamic":
        assert "DynamicQuantizeLinear 'coarse' quantises by the range of a whole batch" in str(caught.value)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
def test_an_honest_network_keeps_its_batch(kind: int, tmp_path: Path) -> None:
    """A picture in its place gives the very same vector, whatever is beside it."""
    adopted = adopt(save(small_graph(kind=kind), tmp_path / "net.onnx"), mean=MEAN, std=STD)
    assert adopted.batching == "declared"
    adopted.write(tmp_path / "out.onnx")
    engine = Engine(tmp_path / "out.onnx")
    for place in range(3):
        found = []
        for others in (PICTURES[:3], plain_pixels(8, 8)[:3]):
            batch = others.copy()
            batch[place] = PICTURES[3]
            found.append(engine.run({"image": batch})["embedding"][place])
        np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("share", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_the_limit_is_rounding_at_any_precision(share: float, precision: str) -> None:
    """Half of the limit passes and twice the limit does not; nor does a vector that is NaN beside black."""
    weights = np.random.default_rng(4).standard_normal((192, 4)).astype(np.float32)

    def run(pixels: np.ndarray) -> np.ndarray:
        vectors = pixels.reshape(len(pixels), -1).astype(np.float32) @ weights
        has_white = float((pixels == 255).all(axis=(1, 2, 3)).any())
        return np.asarray(vectors * (1 + share * has_white * MOST_BESIDE_OTHERS), np.float32)

    found = find_dependence(run, 8, 8, precision=precision)
    assert (found is not None) == (share > 1)

    def spoiled(pixels: np.ndarray) -> np.ndarray:
        return run(pixels) + np.float32(np.nan if (pixels == 0).all(axis=(1, 2, 3)).any() else 0)

    assert find_dependence(spoiled, 8, 8, precision=precision) is not None


def _require_alone(engine: Engine, expected: np.ndarray) -> None:
    for rows in ([0], [0, 1], [4, 0, 5], [5, 6, 7, 0, 4], list(range(len(CROWD)))):
        got = engine.run({"image": CROWD[rows]})["embedding"]
        np.testing.assert_allclose(got, expected[rows], rtol=1e-4, atol=1e-5 * float(np.abs(expected).max()))


def test_branches_that_read_the_image_run_one_by_one_too(tmp_path: Path) -> None:
    """An If in a network of batch 1, whose branches read the image itself: each picture its own."""
    branches = {
        name: helper.make_graph(
            [
                node("ReduceMean", "image places", f"{name}_mean", keepdims=0),
                node("Softmax", "vector", f"{name}_soft", axis=0),
                node("Concat", f"{name}_mean vector {name}_soft", f"{name}_out", axis=1),
            ],
            name,
            [],
            [helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)],
        )
        for name in ("then_branch", "else_branch")
    }
    constants = {"yes": np.array([True]), "places": np.array([2, 3])}
    model = behind(helper.make_node("If", ["yes"], ["out"], **branches), constants=constants, batch=1)
    adopted = adopt(save(model, tmp_path / "net.onnx"), mean=MEAN, std=STD)
    assert adopted.batching == "one by one"
    adopted.write(tmp_path / "out.onnx")
    _require_alone(Engine(tmp_path / "out.onnx"), alone(model, CROWD))


def test_half_networks_run_one_by_one_too(tmp_path: Path) -> None:
    """Of batch 1 and float16, over whose batch something is done: each picture its own."""
    extra = (node("Softmax", "vector", "soft", axis=0), node("Concat", "vector soft", "out", axis=1))
    model = small_graph(shape=(1, 3, 8, 8), kind=TensorProto.FLOAT16, extra=extra, output="out")
    adopted = adopt(save(model, tmp_path / "net.onnx"), mean=MEAN, std=STD)
    assert (adopted.batching, adopted.manifest.precision) == ("one by one", "fp16")
    adopted.write(tmp_path / "out.onnx")
    planes = ((CROWD / 255 - MEAN) / STD).transpose(0, 3, 1, 2).reshape(len(CROWD), -1)
    expected = planes @ numpy_helper.to_array(small_graph().graph.initializer[0])
    got = Engine(tmp_path / "out.onnx").run({"image": CROWD})["embedding"]
    np.testing.assert_allclose(got, np.concatenate([expected, np.ones_like(expected)], axis=1), atol=0.03)
