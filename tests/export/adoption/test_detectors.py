"""Adoption of detectors: plain loops are the reference for what they find, in batches of any size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from artifact.errors import ArtifactError
from artifact.model.file import read_manifest
from artifact.model.golden import make_golden, read_boxes, read_golden, read_scores
from export.adoption.adopt import preprocessing_of
from export.adoption.adopt_detector import OriginalDetector, adopt_detector
from export.adoption.adopted import Adopted
from export.adoption.detected import DetectorOutputs
from export.adoption.foreign import read_foreign
from export.adoption.pooling import Pooling
from export.regions import alignment_for
from serving.check import check_artifact
from serving.engine import Engine
from tests.shared.foreign_networks import save
from tests.shared.plain_regions import plain_regions
from tests.shared.spot_detector import (
    COLUMNS,
    OPTIONS,
    ROWS,
    batched_detector,
    found_by_loops,
    several,
    spots,
    write_spot_detector,
)
from tests.shared.spot_models import VALUES, adopt_spots


def run(adopted: Adopted, file: Path, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Through the engine that serves artifacts, in one batch."""
    adopted.write(file)
    return Engine(file).run({"image": pixels})


def require_found(outputs: dict[str, np.ndarray], pixels: np.ndarray, *, most: int, spread: float = 0.0) -> None:
    """Everything that plain loops find, the surest first, and nothing else."""
    for number, picture in enumerate(pixels):
        want = found_by_loops(picture, spread=spread)[:most]
        boxes, scores, vectors = (outputs[name][number] for name in ("boxes", "scores", "embedding"))
        assert boxes.shape == (most, 4)
        assert int((~np.isnan(boxes).any(axis=1)).sum()) == len(want)
        for place, (box, score, colour) in enumerate(want):
            np.testing.assert_allclose(boxes[place], box, atol=1e-6)
            assert scores[place] == pytest.approx(score, abs=1e-6)
            np.testing.assert_allclose(vectors[place], colour, atol=1e-5)
        assert np.isnan(boxes[len(want) :]).all()
        assert not scores[len(want) :].any()
        assert not vectors[len(want) :].any()


@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("spread", [0.0, 3.0])
def test_detections_are_those_of_plain_loops_in_any_batch(batch: int, spread: float, tmp_path: Path) -> None:
    """A detector of one picture, with NonMaxSuppression in it; boxes over the border are cut at it."""
    adopted = adopt_spots(tmp_path, spread=spread)
    assert adopted.batching == "one by one"
    pixels = several(batch + 1)[1:] if batch == 1 else several(batch)
    require_found(run(adopted, tmp_path / "a.onnx", pixels), pixels, most=100, spread=spread)


@pytest.mark.parametrize("unit", ["px", "share"])
@pytest.mark.parametrize("box_format", ["xyxy", "xywh", "cxcywh"])
def test_boxes_of_any_unit_and_format_become_shares(unit: str, box_format: str, tmp_path: Path) -> None:
    """The same boxes of the same objects."""
    more = {"unit": unit, "box_format": box_format}
    adopted = adopt_spots(tmp_path, more=more, unit=unit, box_format=box_format, spread=2.0)
    pixels = several(4)
    require_found(run(adopted, tmp_path / "a.onnx", pixels), pixels, most=100, spread=2.0)


def test_limit_keeps_the_surest(tmp_path: Path) -> None:
    """Two of five."""
    adopted = adopt_spots(tmp_path, more={"limit": 2})
    pixels = several(6)
    require_found(run(adopted, tmp_path / "a.onnx", pixels), pixels, most=2)
    assert adopted.manifest.detections == 2


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_a_map_is_pooled_in_each_box(pooling: str, tmp_path: Path) -> None:
    """Against plain bilinear loops over the map of cells."""
    adopted = adopt_spots(tmp_path, more={"features": "cells", "pooling": Pooling(pooling)})
    pixels = several(3)
    outputs = run(adopted, tmp_path / "a.onnx", pixels)
    maps = pixels.reshape(3, ROWS, 8, COLUMNS, 8, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2).astype(np.float32) / 255
    alignment = alignment_for((ROWS, COLUMNS))
    cells = plain_regions(maps, outputs["boxes"], alignment.sides, alignment.samples)
    want = cells.mean(axis=(3, 4)) if pooling == "avg" else cells.max(axis=(3, 4))
    is_box = ~np.isnan(outputs["boxes"]).any(axis=2)
    assert is_box.sum() == 5
    np.testing.assert_allclose(outputs["embedding"][is_box], want[is_box], atol=1e-5)
    assert not outputs["embedding"][~is_box].any()


def test_a_detector_of_any_batch_is_declared(tmp_path: Path) -> None:
    """Its values are [N, A, ...]: A detections of each picture, in order of their scores."""
    file = save(batched_detector(), tmp_path / "batched.onnx")
    adopted = adopt_detector(file, DetectorOutputs(**VALUES, unit="share"), **OPTIONS)
    assert (adopted.batching, adopted.manifest.detections) == ("declared", 24)
    pixels = several(4)
    outputs = run(adopted, tmp_path / "a.onnx", pixels)
    for number, picture in enumerate(pixels):
        redness = picture.reshape(ROWS, 8, COLUMNS, 8, 3).mean(axis=(1, 3)) / 255
        want = np.sort((redness[..., 0] - redness[..., 1]).reshape(-1))[::-1]
        np.testing.assert_allclose(outputs["scores"][number], want, atol=1e-6)


def test_manifest_tells_the_detections_and_goldens_prove_them(tmp_path: Path) -> None:
    """Two examples are golden, so that other machines prove detections too; a changed golden is found."""
    adopted = adopt_spots(tmp_path)
    adopted.write(tmp_path / "a.onnx")
    manifest = read_manifest(tmp_path / "a.onnx")
    assert manifest.mode == "detections"
    assert [(each.name, each.row_shape) for each in manifest.outputs] == [
        ("embedding", (100, 3)),
        ("boxes", (100, 4)),
        ("scores", (100,)),
    ]
    assert manifest.training["detections"] == {
        "boxes": "boxes",
        "scores": "scores",
        "unit": "px",
        "format": "xyxy",
        "most": 100,
    }
    result = check_artifact(tmp_path / "a.onnx")
    assert (result.num_golden, result.golden_max_abs < 1e-5) == (6, True)
    golden = adopted.manifest.golden
    assert golden is not None
    for changed in ({"scores": golden.boxes}, {"boxes": golden.boxes[:-400] + golden.boxes[:400]}):
        damaged = Adopted(
            adopted.model,
            adopted.manifest.model_copy(update={"golden": golden.model_copy(update=changed)}),
            adopted.parity,
            adopted.batching,
            None,
        )
        with pytest.raises(ArtifactError, match="golden"):
            damaged.write(tmp_path / "damaged.onnx")


def test_goldens_are_as_long_as_what_is_found(tmp_path: Path) -> None:
    """Whatever the limit; what stands behind is checked to be of none, and goldens of all rows hold as well."""
    adopted = adopt_spots(tmp_path, more={"limit": 10_000})
    golden = adopted.manifest.golden
    assert golden is not None
    images, vectors = read_golden(golden, 3)
    boxes, scores = read_boxes(golden), read_scores(golden)
    most = int((~np.isnan(boxes).any(axis=2)).sum(axis=1).max())
    assert boxes.shape[1] == vectors.shape[1] == scores.shape[1] == most < 10
    assert len(adopted.manifest.to_bytes()) < 20_000
    adopted.write(tmp_path / "a.onnx")

    def write(rows: int) -> None:
        """With goldens of so many rows."""
        more = max(0, rows - most)
        padded = [
            np.pad(each, [(0, 0), (0, more)] + [(0, 0)] * (each.ndim - 2))[:, :rows] for each in (vectors, scores)
        ]
        of_none = np.full((len(boxes), more, 4), np.nan, np.float32)
        other = make_golden(images, padded[0], np.concatenate([boxes, of_none], axis=1)[:, :rows], padded[1])
        manifest = adopted.manifest.model_copy(update={"golden": other})
        Adopted(adopted.model, manifest, adopted.parity, adopted.batching, None).write(tmp_path / "b.onnx")

    write(10_000)
    with pytest.raises(ArtifactError, match="golden images do not give their golden vectors"):
        write(most - 1)
    with pytest.raises(ArtifactError, match="golden examples cannot be read: got 10001 detections of a picture"):
        write(10_001)


def test_adoption_is_the_same_to_the_byte(tmp_path: Path) -> None:
    """The same file with the same examples."""
    first, second = (adopt_spots(tmp_path) for _ in range(2))
    assert (first.model, first.manifest.to_bytes()) == (second.model, second.manifest.to_bytes())


def test_examples_with_objects_prove_wherever_they_stand(tmp_path: Path) -> None:
    """Behind more pictures without any than are kept, and than a batch is tried with: the golden ones show objects."""
    from PIL import Image

    file = write_spot_detector(tmp_path / "spots.onnx")
    examples = [tmp_path / f"{number}.png" for number in range(12)]
    for number, path in enumerate(examples):
        Image.fromarray(spots(*([(1, 2, (250, 10, 30))] if number > 9 else []), seed=number)).save(path)
    red_alone: dict[str, Any] = {"mean": (0.6, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}  # nothing but a spot is red enough
    adopted = adopt_detector(file, DetectorOutputs(**VALUES), **red_alone, examples=examples)
    golden = adopted.manifest.golden
    assert golden is not None
    kept = read_boxes(golden)[-2:]
    assert (~np.isnan(kept).any(axis=2)).sum(axis=1).tolist() == [1, 1]


def test_as_many_objects_in_every_picture_are_no_limit(tmp_path: Path) -> None:
    """One spot in each that is seen by chance: others may have more, but where the graph fixes how many there are."""
    file = write_spot_detector(tmp_path / "spots.onnx")
    fixed = save(batched_detector(), tmp_path / "batched.onnx")
    shown = np.stack([spots((row, 2, (250, 10, 30)), seed=row) for row in range(3)])
    for path, unit, limit, expected in (
        (file, "px", None, 100),
        (file, "px", 7, 7),
        (fixed, "share", None, 24),
        (fixed, "share", 1000, 24),
    ):
        outputs = DetectorOutputs(**VALUES, unit=unit, limit=limit)
        foreign = read_foreign(path, output="colours", layout=None, others={"--boxes": "boxes", "--scores": "scores"})
        spec = preprocessing_of(foreign, None, "stretch", OPTIONS["mean"], OPTIONS["std"])
        original = OriginalDetector(foreign, spec, bgr=False, asked=outputs)
        original.learn(shown)
        assert original.most == expected


def test_boxes_of_which_nobody_knows_the_rank_are_adopted(tmp_path: Path) -> None:
    """`squeeze()` of PyTorch is a Squeeze without axes: shape inference has no rank for what comes out of it."""
    file = write_spot_detector(tmp_path / "net.onnx")
    network = onnx.load(file)
    axes = helper.make_tensor("front", TensorProto.INT64, [1], [0])
    network.graph.initializer.append(axes)
    network.graph.node.append(helper.make_node("Unsqueeze", ["boxes", "front"], ["batch of boxes"]))
    network.graph.node.append(helper.make_node("Squeeze", ["batch of boxes"], ["loose"]))
    network.graph.output.append(onnx.ValueInfoProto(name="loose"))
    save(network, file)
    pictures = np.stack(
        [each for each in several(12) if len(found_by_loops(each)) > 1]
    )  # of one it takes that axis too
    examples = []
    for number, picture in enumerate(pictures):
        examples.append(tmp_path / f"{number}.png")
        Image.fromarray(picture).save(examples[-1])
    asked = DetectorOutputs(boxes="loose", scores="scores", features="colours", limit=5)
    adopted = adopt_detector(file, asked, **OPTIONS, examples=examples)
    require_found(run(adopted, tmp_path / "a.onnx", pictures), pictures, most=5)
