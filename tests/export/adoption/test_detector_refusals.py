"""What is refused of a detector, each in one line that names the option; and the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import UsageError
from export.adoption.adopt_detector import adopt_detector
from export.adoption.detected import DetectorOutputs, require_unit
from export.adoption.pooling import Pooling
from tests.shared.command_line import Cli, one_line
from tests.shared.spot_detector import (
    OPTIONS,
    spots,
    write_examples,
    write_spot_detector,
)
from tests.shared.spot_models import VALUES, adopt_spots

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
