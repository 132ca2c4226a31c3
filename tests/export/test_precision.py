"""Artifacts of int8 and fp16: sound in both modes, of a space of their own, judged, the same twice, and served."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from analysis.measures.threshold import decision_threshold
from artifact.model.manifest import Manifest
from artifact.repository.reading import open_repository
from export.build import Built, build, publish_built
from export.gates import Gates
from export.reduce import Int8Settings
from serving.check import check_artifact
from serving.client.scorer import Scorer
from tests.shared.pictures import pictures
from tests.shared.shapes_run import small_run, write_shapes
from tests.shared.small_graphs import blocks
from tests.shared.triton_server import TritonServer, unavailable
from trainer.data.class_sets import open_class_folder
from trainer.data.images import read_images
from trainer.run.saved_run import Run

OPEN = Gates(max_recall_loss=100, min_cosine=-1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("run") / "shapes")


@pytest.fixture(scope="module")
def built(run: Run) -> dict[str, Built]:
    """Both modes in int8 and fp16; int8 from the run's own images."""
    settings = Int8Settings(limits=Gates(max_recall_loss=20, min_cosine=0.9))
    return {
        f"{precision} {mode}": build(run, mode, precision=precision, int8=settings)
        for precision in ("int8", "fp16")
        for mode in ("branch", "full")
    }


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
    assert manifest.threshold["measured_on"] == {"trained_classes": 4, "new_classes": 0}
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
    assert "measured_on" not in each.manifest.threshold  # nobody knows the classes of a folder
    assert each.manifest.quantization["evaluation"]["source"] == "a folder given"  # type: ignore[index]


EXPORT = """
import sys
from pathlib import Path
from export.build import build
from export.gates import Gates
from export.reduce import Int8Settings
from trainer.run.saved_run import load_run
run = load_run(Path(sys.argv[1]))
settings = Int8Settings(limits=Gates(max_recall_loss=20, min_cosine=0.9))
for precision in ("int8", "fp16"):
    print(build(run, "full", precision=precision, int8=settings).manifest.sealed().digest)
"""


@pytest.mark.slow
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
