"""Tables opened for a model: its streams, the target of pairs with a loss, and each table opened once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, LookalikeError, UsageError
from artifact.model.manifest import Manifest
from rows.formats import opening
from serving.jobs import tables
from serving.jobs.tables import open_scored_table
from tests.shared.scored_images import write_images
from tests.shared.tiny_artifact import write_tiny_artifact

PAIRS = {"left": "left", "right": "right"}


def manifest(folder: Path, kind: str = "siamese", mode: str = "branch") -> Manifest:
    return write_tiny_artifact(folder / f"{kind}_{mode}.onnx", kind=kind, mode=mode)


def write_table(file: Path, **columns: list[Any]) -> str:
    """A table of two rows of images, with these columns besides."""
    images = [str(path) for path in write_images(file.parent / "images", 2)]
    names = ("image", "left", "right", "anchor", "positive", "negative")
    parquet.write_table(pa.table(dict.fromkeys(names, images) | columns), file)
    return str(file)


@pytest.mark.parametrize(
    ("kind", "mode", "options", "streams", "target"),
    [
        ("siamese", "branch", {}, ["image"], None),
        ("siamese", "branch", {"columns": {"image": "left"}}, ["image"], None),
        ("siamese", "branch", {"columns": PAIRS}, ["left", "right"], None),
        ("siamese", "branch", {"loss": True}, ["left", "right"], ("same", "same")),
        ("siamese", "full", {"loss": True, "columns": {"different": "odd"}}, ["left", "right"], ("different", "odd")),
        ("siamese", "full", {}, ["left", "right"], None),
        ("triplet", "branch", {}, ["image"], None),
        ("triplet", "branch", {"loss": True}, ["anchor", "positive", "negative"], None),
        ("triplet", "full", {}, ["anchor", "positive", "negative"], None),
    ],
)
def test_a_table_has_the_streams_that_the_model_takes(
    tmp_path: Path, kind: str, mode: str, options: dict[str, Any], streams: list[str], target: tuple[str, str] | None
) -> None:
    """Single images of a branch, unless a loss or the columns ask for tuples; the target is copied."""
    file = write_table(tmp_path / "t.parquet", same=[1, 0], odd=[0, 1])
    before = dict(options.get("columns", {}))
    table, found = open_scored_table(file, manifest(tmp_path, kind, mode), model="m", **options)
    assert (list(table.streams), found) == (streams, target)
    assert (target is None) or target[1] in table.copied_schema.names
    assert options.get("columns", {}) == before  # what the caller gave is his


@pytest.mark.parametrize("columns", [{}, {"different": "odd"}])
def test_a_table_with_a_loss_is_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: dict[str, str]
) -> None:
    """Also where its columns decide what the target is."""
    opened: list[object] = []

    def counted(table: Any, *more: Any) -> Any:
        opened.append(table)
        return opening.open_source(table, *more)

    monkeypatch.setattr(tables, "open_source", counted)
    monkeypatch.setattr("rows.tables.open_source", counted)
    file = write_table(tmp_path / "t.parquet", same=[1, 0], odd=[0, 1])
    open_scored_table(file, manifest(tmp_path), model="m", loss=True, columns=columns)
    assert opened == [file]


@pytest.mark.parametrize(
    ("kind", "mode", "options", "error", "words"),
    [
        (
            "siamese",
            "branch",
            {"columns": {"lft": "left"}},
            UsageError,
            r"stream 'lft' of --columns: expected one of left",
        ),
        ("siamese", "full", {"columns": {"image": "left"}}, UsageError, "stream 'image' of --columns"),
        (
            "siamese",
            "branch",
            {"loss": True, "columns": {"different": "a", "same": "b"}},
            UsageError,
            r"target of pairs: expected different or same, got both \(--columns\)",
        ),
        ("siamese", "branch", {"loss": True}, DataError, "loss of pairs: .* got none among image, left, right"),
        ("siamese", "branch", {"loss": True, "columns": {"same": "no"}}, DataError, 'copied column "no"'),
    ],
)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, kind: str, mode: str, options: dict[str, Any], error: type[LookalikeError], words: str
) -> None:
    """Streams that the model has not, two targets, no target; the message names every column of the table."""
    with pytest.raises(error, match=words):
        open_scored_table(write_table(tmp_path / "t.parquet"), manifest(tmp_path, kind, mode), model="m", **options)


@pytest.mark.parametrize(
    ("model", "words"), [("shoes_full", "the branch model 'shoes'"), ("shoes", "the branch model of the same run")]
)
def test_an_image_folder_for_a_full_model_names_the_branch(tmp_path: Path, model: str, words: str) -> None:
    """By the suffix that export gives, where it is there."""
    write_images(tmp_path / "images", 2)
    with pytest.raises(DataError, match=f"score single images with {words}"):
        open_scored_table(str(tmp_path / "images"), manifest(tmp_path, mode="full"), model=model)
