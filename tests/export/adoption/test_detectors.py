"""Adoption of detectors: plain loops are the reference for what they find, in batches of any size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import ArtifactError, UsageError
from artifact.images.preprocessing import load_pixels
from artifact.model.file import read_manifest
from artifact.model.golden import read_boxes
from benchmarks.scene_networks import MEAN, STD
from benchmarks.sets.scenes import annotations
from export.adoption.adopt import Adopted, preprocessing_of
from export.adoption.adopt_detector import OriginalDetector, adopt_detector
from export.adoption.detected import DetectorOutputs, require_unit
from export.adoption.foreign import read_foreign
from export.adoption.pooling import Pooling
from export.regions import alignment_for
from serving.check import check_artifact
from serving.engine import Engine
from tests.shared.command_line import Cli, one_line
from tests.shared.foreign_networks import save
from tests.shared.plain_regions import plain_regions
from tests.shared.scene_files import SceneFiles
from tests.shared.spot_detector import (
    COLUMNS,
    OPTIONS,
    ROWS,
    batched_detector,
    found_by_loops,
    several,
    spots,
    write_examples,
    write_spot_detector,
)

VALUES: dict[str, Any] = {"boxes": "boxes", "scores": "scores", "features": "colours"}


def adopt_spots(folder: Path, *, more: dict[str, Any] | None = None, **detector: Any) -> Adopted:
    """The detector of spots, adopted on pictures of spots; `more` are further facts of its outputs."""
    file = write_spot_detector(folder / "spots.onnx", **detector)
    examples = sorted(write_examples(folder / "examples").iterdir())
    return adopt_detector(file, DetectorOutputs(**VALUES | (more or {})), **OPTIONS, examples=examples)


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


def test_adoption_is_the_same_to_the_byte(tmp_path: Path) -> None:
    """The same file with the same examples."""
    first, second = (adopt_spots(tmp_path) for _ in range(2))
    assert (first.model, first.manifest.to_bytes()) == (second.model, second.manifest.to_bytes())


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "no such value": ({"boxes": "boxs"}, "no value 'boxs' in the graph: expected such as 'boxes'"),
    "scores of another name": ({"scores": "score"}, "name another with --scores"),
    "boxes of two numbers": ({"boxes": "cells"}, "--boxes cells: expected [detections, 4] of one picture"),
    "scores of everything": ({"scores": "all_scores"}, "--scores all_scores: expected one score a box"),
    "whole numbers": ({"scores": "places"}, "--scores places: expected float32 or float16, got int64"),
    "features of everything": ({"features": "all_colours"}, "--features all_colours: expected a vector a box"),
    "shares that are pixels": ({"unit": "share"}, "--box-unit share: got boxes up to 32, the median one"),
    "another unit": ({"unit": "mm"}, "--box-unit: expected one of px, share, got 'mm'"),
    "another format": ({"box_format": "yxyx"}, "--box-format: expected one of xyxy, xywh, cxcywh, got 'yxyx'"),
    "a grid": ({"pooling": Pooling("grid", 2, 2)}, "--pool with --boxes: expected avg or max, got grid:2x2"),
    "pooling of vectors": ({"pooling": Pooling("max")}, "--pool max: expected a map [N, channels, height, width]"),
    "no limit": ({"limit": 0}, "--limit: expected 1 to 10,000 detections, got 0"),
    "no end": ({"limit": 10**8}, "--limit: expected 1 to 10,000 detections, got 100000000"),
    "one value for two": ({"scores": "boxes"}, "expected three values"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_outputs_that_do_not_fit_are_refused(case: str, tmp_path: Path) -> None:
    """Each in one line that names the option."""
    more, words = REFUSALS[case]
    with pytest.raises(UsageError) as error:
        adopt_spots(tmp_path, more=more)
    assert words in str(error.value)


def test_nothing_found_is_nothing_proved(tmp_path: Path) -> None:
    """Examples without objects are refused; without examples the synthetic pictures have to show some."""
    file = write_spot_detector(tmp_path / "spots.onnx")
    grey = tmp_path / "grey.png"
    from PIL import Image

    Image.fromarray(spots()).save(grey)
    outputs = DetectorOutputs(**VALUES)
    with pytest.raises(UsageError, match="nothing is detected on the synthetic pictures of adoption"):
        adopt_detector(file, outputs, mean=(0.0, -9.0, 0.0), std=(1.0, 1.0, 1.0))
    with pytest.raises(UsageError, match="nothing is detected on the examples"):
        adopt_detector(file, outputs, mean=(0.0, -9.0, 0.0), std=(1.0, 1.0, 1.0), examples=[grey])
    with pytest.raises(
        UsageError,
        match=r"--examples: expected pictures, got .*no such",
    ):
        adopt_detector(file, outputs, **OPTIONS, examples=[tmp_path / "no such.png"])


@pytest.mark.parametrize("options", [{"kind": "pairs"}, {"distance": "manhattan"}])
def test_an_unknown_kind_or_distance_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    """With those that there are."""
    file = write_spot_detector(tmp_path / "spots.onnx")
    with pytest.raises(UsageError, match=r"unknown word .*: expected one of"):
        adopt_detector(file, DetectorOutputs(**VALUES), **OPTIONS, **options)


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


@pytest.mark.parametrize(
    ("boxes", "unit"),
    [
        ([[0.1, 0.1, 0.5, 0.6], [0.2, 0.0, 0.9, 1.0], [-3.0, -1.0, 4.0, 5.0]], "share"),
        ([[0.0, 0.0, 1.5, 1.5], [3.0, 4.0, 30.0, 40.0], [9.0, 9.0, 99.0, 99.0]], "px"),
    ],
)
def test_the_unit_is_that_of_most_boxes(boxes: list[list[float]], unit: str) -> None:
    """A box that nobody keeps may be of any size; none at all, padding of zeros among them, says nothing."""
    runs = [{"boxes": np.array(boxes, np.float32)}]
    other = {"px": "share", "share": "px"}[unit]
    require_unit(runs, DetectorOutputs(**VALUES, unit=unit), where="d.onnx")
    with pytest.raises(UsageError, match=rf"--box-unit {other}.* try --box-unit {unit}"):
        require_unit(runs, DetectorOutputs(**VALUES, unit=other), where="d.onnx")
    require_unit([{"boxes": np.zeros((5, 4), np.float32)}], DetectorOutputs(**VALUES, unit=unit), where="d.onnx")


def test_command_adopts_and_refuses_in_one_line(cli: Cli, tmp_path: Path) -> None:
    """Half of the options, options of other networks, no examples."""
    write_spot_detector(tmp_path / "spots.onnx")
    write_examples(tmp_path / "examples")
    words = ("adopt", "spots.onnx", "--mean", "0", "--std", "1", "--repository", "models")
    full = (*words, "--boxes", "boxes", "--scores", "scores", "--features", "colours")
    for arguments, expected in (
        ((*words, "--boxes", "boxes"), "got no --scores and no --features"),
        ((*full, "--output", "cells"), "--output with --boxes"),
        ((*full, "--fit", "pad"), "boxes are shares of the original picture, so it is stretched"),
        ((*full, "--pool", "grid:2x2"), "expected avg or max"),
        ((*words, "--examples", "examples"), "--examples is for detectors"),
        ((*words, "--box-format", "xywh"), "--box-format is for detectors"),
        ((*words, "--output", "cells", "--pool", "avg", "--box-unit", "share"), "--box-unit is for detectors"),
        ((*words, "--regions", "cells", "--box-format", "xywh"), "--box-format with --regions"),
        ((*full, "--examples", "models"), "expected a picture or a folder of some"),
    ):
        Path("models").mkdir(exist_ok=True)
        code, _, err = cli(*arguments)
        assert code == 2
        assert expected in one_line(err)
    refused = one_line(cli(*words, "--output", "cells")[2])
    assert "pool it with --pool" in refused
    assert "such as 'cells'" not in refused  # the very map that was named
    code, out, _ = cli(*full, "--examples", "examples", "--limit", 5, "--json")
    assert code == 0
    assert json.loads(out)["name"] == "spots"
    assert cli("check", "spots", "--repository", "models")[0] == 0
    told = "detections features=colours, boxes=boxes, format=xyxy, limit=5, scores=scores, unit=px"
    assert told in [
        " ".join(line.split()) for line in cli("describe", "spots", "--repository", "models")[1].splitlines()
    ]


@pytest.mark.slow
@pytest.mark.parametrize("features", ["features", "map"])
def test_a_trained_detector_finds_objects_and_its_vectors_tell_them_apart(
    features: str, scene_files: SceneFiles, tmp_path: Path
) -> None:
    """On scenes that it never saw: most objects, and an object's nearest in another scene is of its identity."""
    examples = sorted((scene_files.scenes / "images").iterdir())
    outputs = DetectorOutputs(boxes="boxes", scores="scores", features=features)
    adopted = adopt_detector(scene_files.detector_file, outputs, mean=MEAN, std=STD, examples=examples[:4])
    adopted.write(tmp_path / "a.onnx")
    engine = Engine(tmp_path / "a.onnx")
    pixels = np.stack([load_pixels(file.read_bytes(), engine.manifest.pixels) for file in examples])
    found = engine.run({"image": pixels})
    content = json.loads(annotations(scene_files.scenes).read_text())
    vectors, identities, scenes, num_objects = [], [], [], 0
    for one in content["annotations"]:
        x, y, width, height = one["bbox"]
        box = np.array([x / 640, y / 480, (x + width) / 640, (y + height) / 480])
        num_objects += 1
        there = found["boxes"][one["image_id"]]
        overlaps = [0.0 if np.isnan(other).any() else _overlap(box, other) for other in there]
        best = int(np.argmax(overlaps))
        if overlaps[best] >= 0.5:
            vectors.append(found["embedding"][one["image_id"], best])
            identities.append(one["category_id"])
            scenes.append(one["image_id"])
    assert len(vectors) >= 0.7 * num_objects
    unit = np.array(vectors) / np.linalg.norm(vectors, axis=1, keepdims=True)
    near = unit @ unit.T
    near[np.equal.outer(scenes, scenes)] = -2
    right = np.array(identities)[near.argmax(axis=1)] == np.array(identities)
    assert right.mean() >= 0.6  # one of six by chance; a detector without classes .22


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    inside = float(np.prod(sides))
    return inside / (float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2])) - inside)
