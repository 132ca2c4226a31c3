"""Prefixes that a run measured, in its artifacts of every precision."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from analysis.measures.threshold import decision_threshold
from artifact.model.file import read_manifest
from artifact.model.golden import read_golden
from export.build import build, publish_built
from export.evaluation import read_evidence
from export.gates import Gates, embed_images
from export.graph import export_branch
from export.reduce import Int8Settings, embedder
from serving.check import check_artifact
from serving.client.scorer import Scorer
from tests.shared.shapes_run import small_run
from tests.shared.tiny_artifact import promised
from trainer.run.folder import FACTS
from trainer.run.saved_run import Run, load_run

OPEN = Int8Settings(limits=Gates(max_recall_loss=100, min_cosine=-1))
HEAD = {"name": "lda", "why": "it won on 3 classes", "lambda": 0.1, "chosen_on": {"classes": 3, "images": 30}}
PREFIXES = [promised(2, 0.5), promised(4)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run as one of before: nothing in its facts of a head or of prefixes."""
    run = small_run(tmp_path_factory.mktemp("run") / "shapes")
    facts = {key: value for key, value in run.facts.items() if key not in ("head", "prefixes")}
    (run.path / FACTS).write_text(json.dumps(facts))
    return load_run(run.path)


@pytest.fixture(scope="module")
def run(plain: Run) -> Run:
    """The same weights with a head that is in order of importance."""
    path = plain.path.with_name("ordered")
    shutil.copytree(plain.path, path)
    (path / FACTS).write_text(json.dumps(plain.facts | {"head": HEAD, "prefixes": PREFIXES}))
    return load_run(path)


@pytest.fixture(scope="module")
def graph(plain: Run) -> onnx.ModelProto:
    """Of either: exported once, for that takes the longest."""
    return export_branch(plain.branch, preprocessing=plain.preprocessing)


@pytest.mark.parametrize(("mode", "precision"), [("branch", "fp32"), ("full", "fp32"), ("branch", "fp16")])
def test_an_artifact_promises_what_its_run_measured(
    mode: str, precision: str, run: Run, graph: onnx.ModelProto, tmp_path: Path
) -> None:
    """Once, beside the other facts; golden examples are of whole vectors, and the file proves itself."""
    build(run, mode, precision=precision, exported=graph).write(tmp_path / "a.onnx")
    manifest = check_artifact(tmp_path / "a.onnx").manifest
    assert manifest.promised == (2, 4)
    assert manifest.summary()["prefixes"] == [{**promised(2, 0.5), "why_no_threshold": None}, promised(4)]
    assert manifest.training["head"] == HEAD
    assert "prefixes" not in manifest.training
    assert manifest.golden is not None
    assert read_golden(manifest.golden, 8)[1].shape == (4, 8)


def test_a_run_of_before_gives_the_artifact_of_before(
    plain: Run, run: Run, graph: onnx.ModelProto, tmp_path: Path
) -> None:
    """It promises nothing and says nothing of it; the network, its space and its bytes are the same."""
    before, now = (build(each, "branch", name="a", exported=graph) for each in (plain, run))
    assert before.model == now.model
    assert before.manifest.space == now.manifest.space
    assert not {"prefixes", "head"} & (set(before.manifest.summary()) | set(before.manifest.training))
    sealed = before.write(tmp_path / "a.onnx")
    assert b'"prefixes"' not in (tmp_path / "a.onnx").read_bytes()
    assert read_manifest(tmp_path / "a.onnx") == sealed


def test_int8_has_thresholds_of_its_own_and_the_metrics_of_the_run(run: Run, graph: onnx.ModelProto) -> None:
    """As for the whole vector: of the int8 vectors of the images that it is judged by."""
    built = build(run, "branch", precision="int8", int8=OPEN, exported=graph)
    evidence = read_evidence(run)
    [vectors] = embed_images([embedder(onnx.load_model_from_string(built.model))], evidence.evaluation)
    for prefix, told in zip(built.manifest.prefixes, PREFIXES, strict=True):
        cut = vectors[:, : prefix.dims]
        if run.normalized:
            cut = cut / np.linalg.norm(cut, axis=1, keepdims=True)
        expected = decision_threshold(cut, evidence.evaluation.labels, distance=run.distance, seed=run.config.seed)
        assert (prefix.threshold, prefix.metrics, prefix.why_no_threshold) == (expected, told["metrics"], None)


def test_vectors_of_a_published_run_are_cut(run: Run, graph: onnx.ModelProto, tmp_path: Path) -> None:
    """From the facts of a run to a client that asks for a prefix, through a repository."""
    publish_built(build(run, "branch", name="m", exported=graph), tmp_path / "models")
    images = sorted(Path(run.config.images).rglob("*.png"))[:6]
    with (
        Scorer("m", repository=tmp_path / "models") as whole,
        Scorer("m", repository=tmp_path / "models", dims=4) as scorer,
    ):
        cut = whole.embed(images)[:, :4]
        if run.normalized:
            cut = cut / np.linalg.norm(cut, axis=1, keepdims=True)
        assert scorer.embed(images).tobytes() == np.ascontiguousarray(cut).tobytes()
        assert (scorer.lineage.dims, scorer.lineage.threshold, scorer.lineage.prefixes) == (4, None, ((2, 0.5),))
