"""int8 on processors that add two products in 16 bits: by arithmetic, by such a sum in numpy, and by emulation."""

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import export.reduce
from artifact.errors import ArtifactError
from artifact.model.int8_scheme import LARGEST_WEIGHT, older_scheme_note
from artifact.repository.reading import open_repository
from benchmarks.emulated import embed_emulated, unavailable
from export.build import Built, build, publish_built
from export.gates import Gates
from export.quantize import require_exact_sums
from export.reduce import Int8Settings, embedder
from lookalike.cli import main
from serving.check import check_artifact, check_repository
from serving.difference import compare_artifacts
from tests.shared.shapes_run import small_run
from tests.shared.small_graphs import FAMILIES, blocks, network_graph, quantized
from trainer.run.saved_run import Run

OLD = 127
OPEN = Int8Settings(limits=Gates(max_recall_loss=100, min_cosine=-1))
NOTE = (
    "int8 of an older scheme: x86 processors without VNNI may give other vectors; export the run again with "
    "--precision int8"
)


# The arithmetic


def test_no_two_products_leave_sixteen_bits() -> None:
    """The largest uint8 times the largest weight, twice, is an int16; with one more it is not."""
    assert 2 * 255 * LARGEST_WEIGHT <= np.iinfo(np.int16).max < 2 * 255 * (LARGEST_WEIGHT + 1)


@pytest.mark.slow
@pytest.mark.parametrize("base_name", FAMILIES)
def test_every_8_bit_weight_of_a_family_is_bounded(base_name: str) -> None:
    """Read off the graph without the product's own check: the constants of all Conv, Gemm and MatMul behind a DQ."""
    graph = quantized(network_graph(base_name)).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    sources = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    layers = [node for node in graph.node if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in sources]
    largest = [int(np.abs(constants[sources[node.input[1]]].astype(int)).max()) for node in layers]
    assert len(layers) >= 4
    assert set(largest) == {64}
    zeros = {node.input[2] for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in constants}
    assert all((constants[name] == 0).all() for name in zeros)


@pytest.mark.parametrize("base_name", ["conv4", pytest.param("vit_tiny_patch16_224", marks=pytest.mark.slow)])
def test_graph_of_large_weights_is_refused(base_name: str) -> None:
    """Convolutions and matrix products alike, in one line with the layer and the number."""
    graph = network_graph(base_name)
    require_exact_sums(quantized(graph))
    with pytest.raises(ArtifactError) as caught:
        require_exact_sums(quantized(graph, largest_weight=OLD))
    message = str(caught.value)
    assert message.startswith("int8 weights '")
    assert (
        "expected int8 from -64 to 64, whose products fit in 16 bits on every processor, got int8 up to 127" in message
    )
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize(
    ("op", "dtype", "value"), [("Gemm", np.int8, -65), ("MatMul", np.uint8, 3), ("Conv", np.int8, 65)]
)
def test_one_weight_of_any_layer_is_enough_to_refuse(op: str, dtype: type, value: int) -> None:
    """Negative ones count, and weights without a sign are not what the kernels were shown for."""
    weights = np.ones((2, 2, 1, 1) if op == "Conv" else (2, 2), dtype)
    weights[0, 1] = value
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["back"]),
        helper.make_node(op, ["x", "back"], ["y"]),
    ]
    constants = {"w": weights, "scale": np.float32(0.1), "zero": np.array(0, dtype)}
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", "y")]
    model = helper.make_model(helper.make_graph(nodes, "one", values[:1], values[1:], tensors))
    with pytest.raises(ArtifactError, match=f"got {np.dtype(dtype).name} up to {abs(value)}"):
        require_exact_sums(model)


def saturating_product(activations: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """uint8 [N, K] @ int8 [K, M] as vpmaddubsw does it: pairs of products are added in 16 bits, all else in 32."""
    products = activations.astype(np.int32)[:, :, None] * weights.astype(np.int32)[None]
    pairs = products[:, 0::2] + products[:, 1::2]
    limits = np.iinfo(np.int16)
    return pairs.clip(limits.min, limits.max).sum(axis=1)


@pytest.mark.parametrize("activations", ["bright", "random"])
def test_saturating_sums_are_exact_with_seven_bits_and_not_with_eight(activations: str) -> None:
    """The weights of a layer as the quantiser writes them, on uint8 at its end and anywhere."""
    graph = network_graph("conv4")
    layer = [node for node in graph.graph.node if node.op_type == "Conv"][1]
    wrong = {}
    for largest in (OLD, LARGEST_WEIGHT):
        constants = quantized(graph, largest_weight=largest).graph.initializer
        tensor = next(each for each in constants if each.name == f"{layer.name}_weight")
        weights = numpy_helper.to_array(tensor)
        weights = weights.reshape(len(weights), -1).T  # [inputs, outputs]
        pixels = np.full((1, len(weights)), 255, np.uint8)
        if activations == "random":
            pixels = np.random.default_rng(0).integers(0, 256, (100, len(weights)), dtype=np.uint8)
        exact = pixels.astype(np.int32) @ weights.astype(np.int32)
        wrong[largest] = int(np.abs(saturating_product(pixels, weights) - exact).max())
    assert wrong[OLD] > 1000
    assert wrong[LARGEST_WEIGHT] == 0


# An emulated processor


@pytest.fixture(scope="module")
def both_processors() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{"network, largest weight": (vectors here, vectors on AVX2 without VNNI)}."""
    if reason := unavailable():
        pytest.skip(f"no other processor can be emulated: {reason}")
    graphs = {}
    for base_name in FAMILIES:
        graph = network_graph(base_name)
        graphs |= {f"{base_name}-{largest}": quantized(graph, largest_weight=largest) for largest in (64, OLD)}
    there = embed_emulated(graphs, blocks(8))
    return {name: (embedder(graph)(blocks(8)), there[name]) for name, graph in graphs.items()}


@pytest.mark.slow
@pytest.mark.parametrize("base_name", FAMILIES)
def test_emulated_processor_without_vnni_gives_the_same_vectors(
    base_name: str, both_processors: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    """Within a thousandth of the largest value, where golden examples allow a twentieth."""
    here, there = both_processors[f"{base_name}-64"]
    assert np.abs(here - there).max() <= 1e-3 * np.abs(here).max()


@pytest.mark.slow
def test_emulation_would_show_weights_of_eight_bits(
    both_processors: dict[str, tuple[np.ndarray, np.ndarray]],
) -> None:
    """With weights up to 127 the vectors of a ViT differ by a third there: what is emulated is the fault."""
    if "vnni" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no VNNI: it gives the wrong vectors too")
    here, there = both_processors[f"vit_tiny_patch16_224-{OLD}"]
    assert np.abs(here - there).max() > 0.1 * np.abs(here).max()


# Artifacts of the older scheme


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("run") / "shapes")


@pytest.fixture(scope="module")
def new(run: Run) -> Built:
    return build(run, "branch", precision="int8", int8=OPEN)


@pytest.fixture(scope="module")
def old(run: Run) -> Built:
    """An int8 artifact as it was before weights were bounded, with a manifest that knows of no scheme."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export.reduce, "require_exact_sums", lambda graph: None)
        patch.setattr(
            export.reduce,
            "quantize",
            lambda graph, plan, ranges, full=export.reduce.quantize: full(graph, plan, ranges, largest_weight=OLD),
        )
        built = build(run, "branch", precision="int8", int8=OPEN)
    assert built.manifest.quantization is not None
    facts = {key: value for key, value in built.manifest.quantization.items() if key != "scheme"}
    return Built(built.model, built.manifest.model_copy(update={"quantization": facts}), built.parity, built.verdict)


def test_large_weights_are_never_published(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A quantiser that forgot the bound ends the export with one line, of a full artifact too."""
    full = export.reduce.quantize
    monkeypatch.setattr(export.reduce, "quantize", lambda *given: full(*given, largest_weight=OLD))
    with pytest.raises(ArtifactError, match="got int8 up to 127; nothing was published"):
        build(run, "full", precision="int8", int8=OPEN)


def test_manifest_names_the_scheme(new: Built, old: Built) -> None:
    """By which artifacts of the older one are told; other precisions have nothing to tell."""
    assert new.manifest.quantization is not None
    assert new.manifest.quantization["scheme"] == "u8s7"
    assert new.manifest.quantization["method"].endswith("int8 weights from -64 to 64 per channel")
    assert older_scheme_note(new.manifest) is None
    assert older_scheme_note(old.manifest) == NOTE
    for precision in ("fp32", "int8"):  # an adopted network may be int8, and has no facts of quantisation
        other = old.manifest.model_copy(update={"precision": precision, "quantization": None})
        assert older_scheme_note(other) is None


def test_describe_and_check_tell_of_the_older_scheme(
    old: Built, new: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A note, and exit code 0: the artifact is sound. What is of the scheme of today has none."""
    for name, built in (("old", old), ("new", new)):
        file = tmp_path / f"{name}.onnx"
        built.write(file)
        assert check_artifact(file).note == (NOTE if name == "old" else None)
        for command in ("describe", "check"):
            assert main([command, str(file)]) == 0
            assert (NOTE in capsys.readouterr().out) == (name == "old")
            assert main([command, str(file), "--json"]) == 0
            assert json.loads(capsys.readouterr().out).get("note") == (NOTE if name == "old" else None)


def test_older_scheme_stays_beside_the_new_one(
    old: Built, new: Built, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The new scheme is version 2 of the same model, of another space; check names version 1, diff tells both."""
    root = tmp_path / "repository"
    publish_built(old, root)
    model = publish_built(new, root)
    assert open_repository(root).model("shapes_int8").newest_served() == 2
    first, second = (model.artifact(version) for version in (1, 2))
    result = check_repository(root)
    assert (result.num_artifacts, result.problems, result.notes) == (2, [], {first: NOTE})
    assert main(["check", "--repository", str(root)]) == 0
    assert f"note: {NOTE} ({first})" in capsys.readouterr().out
    assert main(["check", "--repository", str(root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == [{"where": str(first), "what": NOTE}]
    difference = compare_artifacts(first, second)
    assert not difference.same_space
    assert ("quantization.scheme", "(absent)", "u8s7") in difference.fields
    assert difference.movement is not None
    assert difference.movement.min_cosine > 0.95
