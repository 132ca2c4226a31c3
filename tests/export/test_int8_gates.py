"""Gates of int8: cosine and recall at their limits, and that nothing is published when one is shut."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import export.reduce
from artifact.errors import ParityError, UsageError
from export.calibration import Range
from export.gates import Gates, Verdict, judge, require
from lookalike.cli import main
from tests.shared.shapes_run import small_run

OPEN = Gates(max_recall_loss=100, min_cosine=-1)


def verdict_of(lost: int, *, total: int = 4000, noise: float = 0.0, limits: Gates | None = None) -> Verdict:
    """Pairs far from each other, of which the candidate tears `lost` apart."""
    places = np.repeat(np.arange(total // 2) * 10.0, 2) + np.tile([0.0, 1.0], total // 2)
    reference = np.stack([places, np.full(total, 1000.0)], axis=1).astype(np.float32)
    candidate = reference.copy()
    for pair in range(lost):  # both go far away, each into the middle of another pair
        candidate[2 * pair] = candidate[-4 * pair - 1] - [0.4, 0]
    candidate[:, 1] += noise * np.random.default_rng(0).normal(size=total)
    return judge(reference, candidate, np.arange(total) // 2, distance="euclidean", limits=limits or Gates())


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
    require(verdict_of(6, limits=Gates(max_recall_loss=0.6)))


def test_cosine_gate_shuts_on_vectors_of_other_directions() -> None:
    """Recall survives a shift of all vectors, cosine does not; at its limit the gate is open."""
    reference = np.repeat(np.arange(1, 51) * 10.0, 2)[:, None] * [1.0, 0.0] + np.tile([0.0, 1.0], 50)[:, None]
    candidate = reference + np.array([0.0, 300.0])
    labels = np.arange(100) // 2
    verdict = judge(
        reference.astype(np.float32), candidate.astype(np.float32), labels, distance="euclidean", limits=Gates()
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
        Gates(max_recall_loss=-1)


def test_failed_gate_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A calibration gone wrong exits 1 with one line; no file, no repository."""
    run = small_run(tmp_path / "trained" / "shapes")
    monkeypatch.setattr(
        export.reduce, "find_ranges", lambda graph, tensors, pixels: dict.fromkeys(tensors, Range(0, 1e-3))
    )
    target, file = tmp_path / "repository", tmp_path / "x.onnx"
    options = ["--precision", "int8", "--repository", str(target), "--file", str(file)]
    assert main(["export", str(run.path), *options]) == 1
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("lookalike: int8 ")
    assert "nothing was published" in error
    assert [path.name for path in tmp_path.iterdir()] == ["trained"]
