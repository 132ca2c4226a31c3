"""Runs of many short epochs: few files are written, and wherever such a run is cut off, it ends as if nobody had."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.shared.shapes_run import fit_small, lines_of, write_shapes
from trainer.loop import saving
from trainer.loop.saving import Saves
from trainer.run.checkpoint import read_state, save_state
from trainer.run.saved_run import Run, load_run

EPOCHS = 23
"""Validated after every second one, and after the last."""

VALUES: dict[str, Any] = {
    "epochs": EPOCHS,
    "size": 16,
    "sampling": {"images_per_class": 3, "batches_per_epoch": 2},
    "max_disk_mb": 0,
}
KEPT: dict[str, dict[str, Any]] = {"last": {}, "best": {"keep": "best"}}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four classes of eight drawn images."""
    return write_shapes(tmp_path_factory.mktemp("short") / "images", per_class=8)


@pytest.fixture(scope="module")
def wholes(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Runs that nobody stopped."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("wholes")
    runs = {name: fit_small(images, folder / name, loop=loop, **VALUES) for name, loop in KEPT.items()}
    torch.set_num_threads(before)
    return runs


class Cut(Exception):  # noqa: N818 - stands for kill -9: nothing is written on the way out
    """The end of a process."""


def _at(event: str, number: int) -> Callable[[dict[str, Any]], None]:
    """A report that ends the run after this step or epoch."""

    def report(found: dict[str, Any]) -> None:
        if found["event"] == event and found[event] == number:
            raise Cut

    return report


def _assert_same(run: Run, whole: Run) -> None:
    assert run.checkpoint_sha256 == whole.checkpoint_sha256
    assert lines_of(run.path) == lines_of(whole.path)
    assert run.threshold == whole.threshold
    assert run.facts["metrics"]["epoch"] == whole.facts["metrics"]["epoch"]
    assert not (run.path / "state.safetensors").exists()


@pytest.mark.parametrize("kept", KEPT)
@pytest.mark.parametrize(("event", "number"), [("step", 1), ("step", 17), ("epoch", 4), ("epoch", EPOCHS)])
def test_short_run_goes_on_from_an_older_state(
    images: Path,
    wholes: dict[str, Run],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kept: str,
    event: str,
    number: int,
) -> None:
    """The state is one of every fifth epoch, older than the lines of metrics and the weights."""
    monkeypatch.setattr(Saves, "is_due", property(lambda saves: saves._training.position.epoch % 5 == 0))
    values = VALUES | {"loop": KEPT[kept]}
    with pytest.raises(Cut):
        fit_small(images, tmp_path / "run", report=_at(event, number), **values)
    _assert_same(fit_small(images, tmp_path / "run", resume=True, **values), wholes[kept])


@pytest.mark.parametrize("kept", KEPT)
def test_short_run_goes_on_where_it_was_killed_between_two_files(
    images: Path, wholes: dict[str, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """Lines and weights of an epoch are there, its state is not."""
    written: list[tuple[int, int]] = []

    def write(*arguments: Any) -> None:
        written.append((arguments[-1].epoch, arguments[-1].batch))
        if len(written) == 3:
            raise Cut
        save_state(*arguments)

    monkeypatch.setattr(saving, "save_state", write)
    monkeypatch.setattr(Saves, "is_due", property(lambda saves: saves._training.position.epoch % 6 == 0))
    values = VALUES | {"loop": KEPT[kept]}
    with pytest.raises(Cut):
        fit_small(images, tmp_path / "run", **values)
    monkeypatch.setattr(saving, "save_state", save_state)
    position = read_state(tmp_path / "run")[0]
    assert (position.epoch, position.batch) == written[1] < written[2]
    _assert_same(fit_small(images, tmp_path / "run", resume=True, **values), wholes[kept])


def test_short_run_writes_its_state_at_its_end_only(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five minutes are not over; weights and lines are there after the first epoch and after each that is validated."""
    states: list[int] = []
    there: dict[int, tuple[int, str]] = {}

    def write(*arguments: Any) -> None:
        states.append(arguments[-1].epoch)
        save_state(*arguments)

    def look(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
            there[event["epoch"]] = (len(lines), load_run(tmp_path / "run").checkpoint_sha256)

    monkeypatch.setattr(saving, "save_state", write)
    run = fit_small(images, tmp_path / "run", report=look, **VALUES)
    assert states == [EPOCHS]
    assert run.config.loop.validate_every == 2
    validated = [line["epoch"] for line in lines_of(run.path) if "recall@1" in line]
    assert validated == [*range(2, EPOCHS, 2), EPOCHS]
    assert [there[epoch][0] for epoch in range(1, 6)] == [1, 2, 2, 4, 4]
    assert there[2][1] == there[3][1]
    assert len({there[epoch][1] for epoch in (1, 2, 4)}) == 3


def test_patience_ends_a_run_at_an_epoch_that_was_validated(images: Path, tmp_path: Path) -> None:
    """Nobody has looked at the epochs in between, so they cannot be what patience ends at."""
    loop = {"patience": 2, "validate_every": 3}
    optimizer = {"learning_rate": 0.01, "schedule": "constant"}
    lines = lines_of(fit_small(images, tmp_path / "run", **(VALUES | {"loop": loop, "optimizer": optimizer})).path)
    assert "recall@1" in lines[-1]
    recalls = {line["epoch"]: line["recall@1"] for line in lines if "recall@1" in line}
    assert lines[-1]["epoch"] - max(recalls, key=lambda epoch: recalls[epoch]) in (0, 3)
    assert json.loads((tmp_path / "run" / "facts.json").read_text())["metrics"]["recall@1"] == max(recalls.values())
