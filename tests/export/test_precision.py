"""fp16 and int8: what becomes of a graph, the two gates, and that nothing is published when one is shut."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import export.reduce
from analysis.measures.threshold import decision_threshold
from artifact.errors import ArtifactError, DataError, ParityError, UsageError
from artifact.model.manifest import Manifest
from artifact.preprocessing import Preprocessing
from artifact.repository.reading import open_repository
from export.build import Built, build, publish_built
from export.calibration import Range, find_ranges, read_calibration
from export.gates import Limits, Verdict, judge, require
from export.graph import export_graph
from export.half import to_half
from export.parity import check_parity
from export.quantize import plan_quantization, quantize
from export.reduce import Int8Settings, embedder
from lookalike.cli import main
from serving.check import check_artifact
from serving.client.scorer import Scorer
from tests.shared.pictures import pictures
from tests.shared.shapes_run import small_run, write_shapes
from tests.shared.triton_server import TritonServer, unavailable
from trainer.data.class_sets import open_class_folder
from trainer.data.images import read_images
from trainer.networks.base_networks import build_base
from trainer.networks.branch import Branch
from trainer.run.saved_run import Run

SIZE = 32
SPEC = Preprocessing(height=SIZE, width=SIZE)
OPEN = Limits(max_recall_loss=100, min_cosine=-1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("run") / "shapes")


@pytest.fixture(scope="module")
def built(run: Run) -> dict[str, Built]:
    """Both modes in int8 and fp16; int8 from the run's own images."""
    settings = Int8Settings(limits=Limits(max_recall_loss=20, min_cosine=0.9))
    return {
        f"{precision} {mode}": build(run, mode, precision=precision, int8=settings)
        for precision in ("int8", "fp16")
        for mode in ("branch", "full")
    }


def network_graph(base_name: str) -> onnx.ModelProto:
    """The fp32 branch graph of a network with random weights, its BatchNorm as after training."""
    torch.manual_seed(0)
    base = build_base(base_name, size=SIZE)
    branch = Branch(
        base.module, num_features=base.num_features, embedding_dim=6, mean=base.mean, std=base.std, normalize=True
    )
    for module in branch.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and module.running_var is not None:
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 1.5)  # timm starts some at 0
    signature = {"kind": "siamese", "mode": "branch", "distance": "euclidean"}
    return export_graph(branch.eval(), embedding_dim=6, preprocessing=SPEC, **signature)


def blocks(count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    coarse = random.integers(0, 256, (count, 4, 4, 3)).repeat(SIZE // 4, axis=1).repeat(SIZE // 4, axis=2)
    return (coarse + random.integers(-20, 21, coarse.shape)).clip(0, 255).astype(np.uint8)


def quantized(graph: onnx.ModelProto) -> onnx.ModelProto:
    plan = plan_quantization(graph)
    return quantize(graph, plan, find_ranges(graph, plan.tensors, blocks(32)))


# What int8 makes of a graph


@pytest.mark.parametrize("base_name", ["conv4", "resnet18", "mobilenetv3_small_100", "vit_tiny_patch16_224"])
def test_int8_graph_of_every_family_stays_near_fp32(base_name: str) -> None:
    """Vectors keep their direction, the signature stays, and almost all weights are int8."""
    graph = network_graph(base_name)
    small = quantized(graph)
    onnx.checker.check_model(small, full_check=True)
    assert small.ByteSize() < 0.4 * graph.ByteSize() or base_name == "mobilenetv3_small_100"
    assert [value.SerializeToString() for value in (*graph.graph.input, *graph.graph.output)] == [
        value.SerializeToString() for value in (*small.graph.input, *small.graph.output)
    ]
    pixels = blocks(8)
    cosines = (embedder(graph)(pixels) * embedder(small)(pixels)).sum(axis=1)
    assert cosines.min() > 0.98


def test_weights_are_int8_per_channel_within_half_a_step() -> None:
    """Each dequantised weight is within half its channel's step of the original, and every channel uses all 127."""
    graph = network_graph("resnet18")
    small = quantized(graph)
    before = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    after = {tensor.name: numpy_helper.to_array(tensor) for tensor in small.graph.initializer}
    convolutions = [node for node in graph.graph.node if node.op_type == "Conv"]
    assert len(convolutions) == 20
    for node in convolutions:
        original, values = before[node.input[1]], after[f"{node.name}_weight"]
        steps = after[f"{node.name}_weight_scale"].reshape(-1, 1, 1, 1)
        assert values.dtype == np.int8
        assert len(steps) == len(original)
        assert (np.abs(values * steps - original) <= steps * 0.5001).all()
        assert (np.abs(values).max(axis=(1, 2, 3)) == 127).all()
        assert after[f"{node.name}_bias"].dtype == np.int32


def test_onnxruntime_runs_every_convolution_in_int8(tmp_path: Path) -> None:
    """What onnxruntime makes of the graph has 20 integer convolutions and no float one: the speed depends on it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it warns that the file is for this machine
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(quantized(network_graph("resnet18")).SerializeToString(), options)
    ops = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert ops.count("QLinearConv") == 20
    assert not {"Conv", "FusedConv"} & set(ops)


def test_last_layer_and_layers_on_averages_stay_float() -> None:
    """The embedding layer and the squeeze-and-excite layers of MobileNetV3, and nothing else."""
    graph = network_graph("mobilenetv3_small_100")
    skipped = plan_quantization(graph).skipped
    assert sorted(skipped.values()) == ["last layer"] + ["works on averages"] * 19
    layers = [node for node in graph.graph.node if node.op_type in ("Conv", "Gemm")]
    averages = [node for node in layers if skipped.get(node.name) == "works on averages"]
    weights = {tensor.name: tensor.dims for tensor in graph.graph.initializer}
    assert all(list(weights[node.input[1]][2:]) == [1, 1] for node in averages)


def one_convolution(weights: np.ndarray, bias: np.ndarray) -> onnx.ModelProto:
    """image -> float -> convolution -> convolution that sums (the last layer)."""
    channels = len(weights)
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "w", "b"], ["hidden"], name="first"),
        helper.make_node("Conv", ["hidden", "ones"], ["embedding"], name="second"),
    ]
    constants = {"w": weights, "b": bias, "ones": np.eye(channels)[:, :, None, None]}
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", 4, 4, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", channels, 4, 4])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def test_a_dead_channel_keeps_its_bias() -> None:
    """Weights of a billionth would need a bias of 2**38 steps, which int32 has not: the channel's step grows."""
    weights = np.array([[0.01, 0.02, -0.01], [1e-9, -1e-9, 1e-9]])[:, :, None, None]
    graph = one_convolution(weights, np.array([0.5, 3.0]))
    pixels = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    plan = plan_quantization(graph)
    small = quantize(graph, plan, find_ranges(graph, plan.tensors, pixels))
    want, got = embedder(graph)(pixels), embedder(small)(pixels)
    assert np.abs(got[:, 1] - 3.0).max() < 0.02
    assert np.abs(got - want).max() < 0.06  # steps of pixels and of the output together


def test_nothing_to_quantise_is_said() -> None:
    """A network of one layer has nothing but its last one."""
    graph = one_convolution(np.ones((2, 3, 1, 1)), np.zeros(2))
    del graph.graph.node[3]
    graph.graph.node[2].output[0] = "embedding"
    for reduce, precision in ((plan_quantization, "int8"), (to_half, "fp16")):
        with pytest.raises(ArtifactError, match=f"{precision}: expected a convolution or dense layer besides the last"):
            reduce(graph)


def test_ranges_are_those_of_all_images_and_hold_zero() -> None:
    """The brightest image, which is in the last batch, decides; a tensor far above 0 still has 0 in its range."""
    graph = one_convolution(np.eye(3)[:, :, None, None], np.array([5.0, 0.0, -300.0]))
    pixels = np.full((34, 4, 4, 3), 10, np.uint8)
    pixels[33] = 200
    ranges = find_ranges(graph, ["planes", "hidden"], pixels)
    assert ranges == {"planes": Range(0.0, 200.0), "hidden": Range(-290.0, 205.0)}


# What fp16 makes of a graph


def test_half_graph_keeps_pixels_and_last_layer_in_float() -> None:
    """All convolutions take float16 weights; the embedding layer and the scaling of pixels stay float32."""
    graph = network_graph("resnet18")
    half = to_half(graph)
    onnx.checker.check_model(half, full_check=True)
    types = {tensor.name: tensor.data_type for tensor in half.graph.initializer}
    kinds = {node.op_type: {types[node.input[1]]} for node in half.graph.node if node.op_type in ("Conv", "Gemm")}
    assert kinds == {"Conv": {TensorProto.FLOAT16}, "Gemm": {TensorProto.FLOAT}}
    scaling = [node for node in half.graph.node if node.op_type in ("Mul", "Add")][:2]
    assert {types[node.input[1]] for node in scaling} == {TensorProto.FLOAT}
    assert half.ByteSize() < 0.52 * graph.ByteSize()


def test_parity_of_fp16_catches_other_weights(run: Run) -> None:
    """Its limit is wider than that of fp32, and still narrow: one layer off by a twentieth is refused."""
    graph = to_half(
        export_graph(
            run.branch, kind=run.kind, mode="branch", distance=run.distance, embedding_dim=8, preprocessing=SPEC
        )
    )
    signature = {"kind": run.kind, "mode": "branch", "distance": run.distance, "precision": "fp16"}
    check_parity(run.branch, graph.SerializeToString(), preprocessing=SPEC, **signature)
    tensor = next(each for each in graph.graph.initializer if each.data_type == TensorProto.FLOAT16)
    tensor.CopyFrom(numpy_helper.from_array((numpy_helper.to_array(tensor) * 1.05).astype(np.float16), tensor.name))
    with pytest.raises(ParityError, match="differ in 'embedding'"):
        check_parity(run.branch, graph.SerializeToString(), preprocessing=SPEC, **signature)


# Artifacts


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_artifact_of_another_precision_is_sound(built: dict[str, Built], precision: str, tmp_path: Path) -> None:
    """Check passes on golden vectors of the graph itself, in both modes, which share one space."""
    manifests = []
    for mode in ("branch", "full"):
        each = built[f"{precision} {mode}"]
        each.write(tmp_path / f"{mode}.onnx")
        assert check_artifact(tmp_path / f"{mode}.onnx").num_golden == 4
        manifests.append(each.manifest)
    assert [manifest.name for manifest in manifests] == [f"shapes_{precision}", f"shapes_{precision}_full"]
    assert {manifest.precision for manifest in manifests} == {precision}
    assert manifests[0].space == manifests[1].space


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_full_graph_gives_the_branchs_own_vectors(built: dict[str, Built], precision: str) -> None:
    """Every stream of a full graph gives, for the same pixels, what the branch graph of the same precision gives."""
    branch, full = (built[f"{precision} {mode}"] for mode in ("branch", "full"))
    streams = full.manifest.streams
    pixels = {stream: np.roll(blocks(5), shift, axis=0) for shift, stream in enumerate(streams)}
    vectors = onnxruntime.InferenceSession(full.model).run([f"embedding_{stream}" for stream in streams], pixels)
    alone = onnxruntime.InferenceSession(branch.model)
    for stream, got in zip(streams, vectors, strict=True):
        want = alone.run(None, {"image": pixels[stream]})[0]
        assert np.abs(got - want).max() <= 1e-4 * np.abs(want).max()


def test_spaces_differ_by_precision_and_by_calibration(run: Run, built: dict[str, Built], tmp_path: Path) -> None:
    """No two of fp32, fp16, int8, and int8 calibrated on other images, may be mixed."""
    other = write_shapes(tmp_path / "other", seed=9)
    again = build(run, "branch", precision="int8", int8=Int8Settings(calibration=other, limits=OPEN))
    spaces = {each.manifest.space for each in (*built.values(), build(run, "branch"), again)}
    assert len(spaces) == 4


def test_manifest_tells_how_int8_was_judged(run: Run, built: dict[str, Built]) -> None:
    """Images, layers, both gates; that 12 images are fewer than 2,000; and a threshold of int8's own vectors."""
    manifest, verdict = built["int8 branch"].manifest, built["int8 branch"].verdict
    facts = manifest.quantization
    assert facts is not None
    assert verdict is not None
    assert facts["layers"] == {"int8": 4, "float": 1}
    assert facts["calibration"]["num_images"] == 36
    assert facts["evaluation"] | {"data_sha256": ""} == {
        "source": "the run's held-out images",
        "num_images": 12,
        "num_classes": 4,
        "data_sha256": "",
        "shared_with_calibration": 0,
    }
    gates = facts["gates"]
    assert (gates["num_images"], gates["enough_images"]) == (12, False)
    assert gates["cosine"]["mean"] == verdict.mean_cosine > 0.9
    assert gates["recall@1"]["limit_points"] == 20
    assert verdict.lines()[2].startswith("only 12 held-out images, and 2000 tell half a point")
    assert manifest.threshold is not None
    assert manifest.threshold["value"] != run.threshold["value"]  # type: ignore[index]
    assert Manifest.model_validate(manifest.model_dump()).quantization == facts
    assert built["fp16 branch"].manifest.quantization is None
    assert built["fp16 branch"].manifest.threshold == run.threshold


def test_threshold_is_that_of_the_int8_vectors(run: Run, built: dict[str, Built], tmp_path: Path) -> None:
    """Computed from the artifact's vectors of the evaluation images, by the rule of training."""
    folder = write_shapes(tmp_path / "held_out", seed=5)
    settings = Int8Settings(evaluation=folder, limits=OPEN)
    each = build(run, "branch", precision="int8", int8=settings)
    images, _ = read_images(open_class_folder(folder), run.preprocessing, max_cache_bytes=2**24)
    session = onnxruntime.InferenceSession(each.model)
    vectors = session.run(None, {"image": images.pixels(np.arange(len(images)))})[0]
    expected = decision_threshold(vectors, images.labels, distance=run.distance, far=0.01, seed=0)
    assert expected is not None
    assert each.manifest.threshold is not None
    assert each.manifest.threshold["value"] == pytest.approx(expected["value"], rel=1e-5)
    assert each.manifest.quantization["evaluation"]["source"] == "a folder given"  # type: ignore[index]


EXPORT = """
import sys
from pathlib import Path
from export.build import build
from export.gates import Limits
from export.reduce import Int8Settings
from trainer.run.saved_run import load_run
run = load_run(Path(sys.argv[1]))
settings = Int8Settings(limits=Limits(max_recall_loss=20, min_cosine=0.9))
for precision in ("int8", "fp16"):
    print(build(run, "full", precision=precision, int8=settings).manifest.sealed().digest)
"""


def test_two_processes_give_the_same_digests(run: Run, built: dict[str, Built]) -> None:
    """int8 and fp16 are deterministic, whatever Python's hash seed."""
    done = subprocess.run(
        [sys.executable, "-c", EXPORT, str(run.path)],
        check=True,
        timeout=300,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONHASHSEED": "12345"},
    )
    assert done.stdout.split() == [built[f"{each} full"].manifest.sealed().digest for each in ("int8", "fp16")]


# The gates


def verdict_of(lost: int, *, total: int = 4000, noise: float = 0.0, limits: Limits | None = None) -> Verdict:
    """Pairs far from each other, of which the candidate tears `lost` apart."""
    places = np.repeat(np.arange(total // 2) * 10.0, 2) + np.tile([0.0, 1.0], total // 2)
    reference = np.stack([places, np.full(total, 1000.0)], axis=1).astype(np.float32)
    candidate = reference.copy()
    for pair in range(lost):  # both go far away, each into the middle of another pair
        candidate[2 * pair] = candidate[-4 * pair - 1] - [0.4, 0]
    candidate[:, 1] += noise * np.random.default_rng(0).normal(size=total)
    return judge(reference, candidate, np.arange(total) // 2, distance="euclidean", limits=limits or Limits())


def test_recall_gate_opens_at_its_limit_and_shuts_above() -> None:
    """Each torn pair costs its two queries and the two of the pair that it lands in: 4 of 4,000 are 0.1 points."""
    at_limit = verdict_of(5)
    assert at_limit.recall.only_reference == 20
    assert 100 * at_limit.recall.lost == pytest.approx(0.5)
    assert not at_limit.is_certain
    require(at_limit)
    assert verdict_of(1).is_certain
    with pytest.raises(ParityError) as caught:
        require(verdict_of(6))
    message = str(caught.value)
    assert message.startswith("int8 loses too much recall@1: expected at most 0.5 points, got 0.60 points lost, 95 % ")
    assert "24 right in fp32 alone, 0 in int8 alone" in message
    assert message.endswith("or allow more with --max-recall-loss")
    require(verdict_of(6, limits=Limits(max_recall_loss=0.6)))


def test_cosine_gate_shuts_on_vectors_of_other_directions() -> None:
    """Recall survives a shift of all vectors, cosine does not; at its limit the gate is open."""
    reference = np.repeat(np.arange(1, 51) * 10.0, 2)[:, None] * [1.0, 0.0] + np.tile([0.0, 1.0], 50)[:, None]
    candidate = reference + np.array([0.0, 300.0])
    labels = np.arange(100) // 2
    verdict = judge(
        reference.astype(np.float32), candidate.astype(np.float32), labels, distance="euclidean", limits=Limits()
    )
    assert verdict.recall.lost == 0
    with pytest.raises(
        ParityError, match=r"int8 vectors are too far from fp32: expected a mean cosine of at least 0.99"
    ):
        require(verdict)
    require(dataclasses.replace(verdict, mean_cosine=0.99))


def test_gate_measures_the_plain_cosine() -> None:
    """Mean and worst are those of the formula, row by row."""
    random = np.random.default_rng(0)
    first, second = random.normal(size=(2, 50, 4)).astype(np.float32)
    verdict = judge(first, second, np.arange(50) // 2, distance="cosine", limits=OPEN)
    cosines = [float(a @ b / (np.sqrt(a @ a) * np.sqrt(b @ b))) for a, b in zip(first, second, strict=True)]
    assert verdict.mean_cosine == pytest.approx(np.mean(cosines), abs=1e-6)
    assert verdict.min_cosine == pytest.approx(min(cosines), abs=1e-6)


def test_vectors_that_are_not_finite_shut_the_gate() -> None:
    """NaN is an error with the number of images, not a cosine."""
    vectors = np.ones((4, 2), np.float32)
    with pytest.raises(ParityError, match="int8 vectors: expected finite numbers, got NaN or infinity for 1 images"):
        judge(
            vectors, np.where(np.eye(4, 2) * [1, 0] > 0, np.nan, vectors), [0, 0, 1, 1], distance="cosine", limits=OPEN
        )


def test_limits_that_make_no_sense_are_refused() -> None:
    """Points are from 0 to 100."""
    with pytest.raises(UsageError, match="--max-recall-loss: expected points from 0 to 100, got -1"):
        Limits(max_recall_loss=-1)


def test_failed_gate_leaves_nothing_behind(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A calibration gone wrong exits 1 with one line; no file, no repository."""
    monkeypatch.setattr(
        export.reduce, "find_ranges", lambda graph, tensors, pixels: dict.fromkeys(tensors, Range(0, 1e-3))
    )
    target, file = tmp_path / "repository", tmp_path / "x.onnx"
    options = ["--precision", "int8", "--repository", str(target), "--file", str(file)]
    assert main(["export", str(run.path), *options]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("lookalike: int8 ")
    assert "nothing was published" in error
    assert list(tmp_path.iterdir()) == []


# Images for int8


def test_evaluation_images_that_were_calibrated_on_are_said(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One folder for both: every evaluation image is counted, and the command says so."""
    folder = write_shapes(tmp_path / "both")
    options = ["--precision", "int8", "--calibration", str(folder), "--evaluation", str(folder)]
    options += ["--max-recall-loss", "100", "--file", str(tmp_path / "x.onnx")]
    assert main(["export", str(run.path), *options]) == 0
    assert "48 of the evaluation images were calibrated on too" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("missing", "calibration folder: expected a folder of images, got nothing there"),
        ("empty", "calibration folder: expected at least 32 images, got no image"),
        ("few", "calibration folder: expected at least 32 different images, got 8"),
        ("copies", "calibration folder: expected at least 32 different images, got 1"),
        ("damaged", "calibration image that cannot be read: got "),
    ],
)
def test_bad_calibration_folder_is_one_line(tmp_path: Path, given: str, message: str) -> None:
    """What is wrong, and where."""
    folder = tmp_path / given
    if given == "empty":
        folder.mkdir()
        (folder / "notes.txt").write_text("no image")
    if given in ("few", "copies", "damaged"):
        write_shapes(folder, per_class=2 if given == "few" else 12)
    if given == "copies":
        content = (folder / "disc" / "00.png").read_bytes()
        for path in folder.rglob("*.png"):
            path.write_bytes(content)
    if given == "damaged":
        (folder / "cross" / "05.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(DataError) as caught:
        read_calibration(folder, SPEC)
    assert str(caught.value).startswith(message)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_calibration_takes_plain_folders_evenly(tmp_path: Path) -> None:
    """Images without class folders do too; of more than the limit, evenly spaced ones in order of their names."""
    folder = write_shapes(tmp_path / "plain")
    for path in sorted(folder.rglob("*.png")):
        path.rename(folder / f"{path.parent.name}-{path.name}")
    every, some = (read_calibration(folder, SPEC, max_images=count) for count in (100, 36))
    assert (len(every.pixels), len(some.pixels), some.found) == (48, 36, 48)
    order = [every.hashes.index(digest) for digest in some.hashes]
    assert order == sorted(order)
    assert order[0] == 0
    assert order[-1] == 47


def test_run_whose_images_have_gone_asks_for_folders(run: Run, tmp_path: Path) -> None:
    """Moved or changed images are one line that names both options."""
    moved = dataclasses.replace(run, config=run.config.model_copy(update={"images": tmp_path / "gone"}))
    changed = dataclasses.replace(run, facts=run.facts | {"data_sha256": "0"})
    for each, got in ((moved, "got nothing there"), (changed, "expected as they were in training, got changed")):
        with pytest.raises(DataError) as caught:
            build(each, "branch", precision="int8")
        assert str(caught.value).startswith("the run's own images for int8: ")
        assert got in str(caught.value)
        assert str(caught.value).endswith("name folders: --calibration DIR --evaluation DIR")


def test_options_of_int8_are_for_int8(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A calibration folder with fp16 is a mistake that would pass unseen."""
    assert main(["export", str(run.path), "--precision", "fp16", "--calibration", "x"]) == 2
    assert capsys.readouterr().err.strip() == ("lookalike: --calibration is for --precision int8: got --precision fp16")


# Serving


@pytest.mark.parametrize("place", ["in-process", "triton"])
def test_int8_is_served_as_fp32_is(run: Run, built: dict[str, Built], place: str, tmp_path: Path) -> None:
    """Published like any artifact; both modes give the branch graph's vectors to the same client."""
    if place == "triton" and (reason := unavailable()):
        pytest.skip(f"real Triton cannot run here: {reason}")
    root = tmp_path / "repository"
    for mode in ("branch", "full"):
        publish_built(built[f"int8 {mode}"], root)
    assert open_repository(root).foreign() == {}
    images = list(pictures().values())
    with Scorer("shapes_int8", repository=root) as scorer:
        expected = scorer.embed(images)
    torch_vectors = build(run, "branch").manifest  # the same signature, so the same client
    assert torch_vectors.outputs == built["int8 branch"].manifest.outputs
    limit = 5e-2 * float(np.abs(expected).max())
    if place == "in-process":
        with Scorer("shapes_int8_full", repository=root) as scorer:
            assert np.abs(scorer.embed(images) - expected).max() <= limit
        return
    with TritonServer(root) as server:
        for name in ("shapes_int8", "shapes_int8_full"):
            with Scorer(name, url=server.grpc_url) as scorer:
                assert np.abs(scorer.embed(images) - expected).max() <= limit
