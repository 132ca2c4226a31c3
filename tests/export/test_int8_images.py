"""Images for int8: folders to calibrate on and to judge by, those of the run, and what may be wrong with them."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import DataError
from export.build import build
from export.calibration import read_calibration
from export.evaluation import read_evidence
from lookalike.cli import main
from tests.shared.shapes_run import small_run, write_shapes
from tests.shared.small_graphs import SPEC
from trainer.run.saved_run import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return small_run(tmp_path_factory.mktemp("run") / "shapes")


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
        ("damaged", "calibration folder: expected at least 32 different images, got 28, and 8 that cannot be read"),
    ],
)
def test_bad_calibration_folder_is_one_line(tmp_path: Path, given: str, message: str) -> None:
    """What is wrong, and where."""
    folder = tmp_path / given
    if given == "empty":
        folder.mkdir()
        (folder / "notes.txt").write_text("no image")
    if given in ("few", "copies", "damaged"):
        write_shapes(folder, per_class={"few": 2, "copies": 12, "damaged": 9}[given])
    if given == "copies":
        content = (folder / "disc" / "00.png").read_bytes()
        for path in folder.rglob("*.png"):
            path.write_bytes(content)
    if given == "damaged":
        for path in [*folder.glob("*/05.png"), *folder.glob("*/06.png")]:
            path.write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with pytest.raises(DataError) as caught:
        read_calibration(folder, SPEC)
    assert str(caught.value).startswith(message)
    assert str(folder) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_calibration_takes_plain_folders_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images without class folders do too; of more than the limit, evenly spaced ones in order of their names."""
    folder = write_shapes(tmp_path / "plain")
    for path in sorted(folder.rglob("*.png")):
        path.rename(folder / f"{path.parent.name}-{path.name}")
    every = read_calibration(folder, SPEC)
    monkeypatch.setattr("export.calibration.MAX_IMAGES", 36)
    some = read_calibration(folder, SPEC)
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


def test_newly_read_files_are_named(tmp_path: Path) -> None:
    """A folder whose .jfif files older versions passed over is not what the run was trained on; the line says so."""
    run = small_run(tmp_path / "shapes", epochs=1)
    content = (tmp_path / "images/disc/00.png").read_bytes()
    (tmp_path / "images/disc/z.JFIF").write_bytes(content)
    with pytest.raises(DataError) as caught:
        build(run, "branch", precision="int8")
    assert str(caught.value).endswith(
        "name folders: --calibration DIR --evaluation DIR, or files such as 'disc/z.JFIF' are read now, and were not "
        "by older versions: move .jfif files out of the folder"
    )


def test_bad_calibration_images_are_left_out_and_named_once(tmp_path: Path) -> None:
    """An image that is not there, one that is none, and what is passed over; the others are taken."""
    folder = write_shapes(tmp_path / "given")
    image = folder / "cross" / "05.png"
    image.unlink()
    (folder / "cross" / "x.dng").write_bytes(b"II*\0")
    for make in (lambda: image.symlink_to(tmp_path / "nowhere"), lambda: image.write_bytes(b"none")):
        make()
        events: list[Mapping[str, Any]] = []
        assert len(read_calibration(folder, SPEC, report=events.append).pixels) == 47
        note, warning = (str(event["message"]) for event in events)
        assert note.startswith("calibration folder: passed over: 1 .dng; ")
        assert warning.startswith("calibration folder: 1 image was left out: cross/05.png: ")
        image.unlink()


def test_evaluation_folder_of_splits_is_refused_and_bad_images_are_told(run: Run, tmp_path: Path) -> None:
    """Recall between train and val says nothing; a class of one image is a distractor, and stays."""
    folder = write_shapes(tmp_path / "val")
    (tmp_path / "train").symlink_to("val")
    with pytest.raises(DataError, match=r"^evaluation folder: expected one folder .*, got splits of a data set"):
        read_evidence(run, evaluation=tmp_path)
    (folder / "cross" / "05.png").write_bytes(b"none")
    events: list[Mapping[str, Any]] = []
    assert len(read_evidence(run, evaluation=folder, report=events.append).evaluation) == 47
    assert [event["message"][:59] for event in events if event["event"] == "warning"] == [
        "evaluation folder: 1 image was left out: cross/05.png: not "
    ]


def test_limits_given_to_export_are_those_of_its_folders(run: Run, tmp_path: Path) -> None:
    """The larger of the run's and the given one, so that the remedy is true; the run's own images stay the same."""
    folder = write_shapes(tmp_path / "given")
    narrow = dataclasses.replace(run, config=run.config.model_copy(update={"max_megapixels": 0.0001}))
    events: list[Mapping[str, Any]] = []
    with pytest.raises(DataError, match=r"got 0, and 48 that cannot be read"):
        read_evidence(narrow, calibration=folder, evaluation=folder, report=events.append)
    assert "raise it with --max-megapixels" in str(events[-1]["message"])
    taken = read_evidence(narrow, calibration=folder, evaluation=folder, max_megapixels=1.0)
    assert (len(taken.calibration.pixels), len(taken.evaluation)) == (48, 48)
    smaller = read_evidence(run, calibration=folder, evaluation=folder, max_megapixels=0.0001, max_image_mb=0.0001)
    assert (len(smaller.calibration.pixels), len(smaller.evaluation)) == (48, 48)
    assert len(read_evidence(run, evaluation=folder, max_megapixels=500.0).calibration.pixels) > 32


def test_options_of_int8_are_for_int8(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A calibration folder with fp16 is a mistake that would pass unseen."""
    assert main(["export", str(run.path), "--precision", "fp16", "--calibration", "x"]) == 2
    assert capsys.readouterr().err.strip() == ("lookalike: --calibration is for --precision int8: got --precision fp16")
