"""Two runs into one folder: the second is refused whatever the first has come to, and nothing stays of a claim."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import DataError, OutputError, RunError
from tests.shared.class_folders import write_classes
from tests.shared.shapes_run import fit_small
from trainer.run import claim
from trainer.run.claim import claimed_new

_HOLDER = """
import sys
from pathlib import Path
from trainer.run.claim import claimed_new
with claimed_new(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def _refused(path: Path, got: str) -> str:
    return f"run folder: expected a new or empty folder, got {got} ({path}); name another folder"


def test_second_run_is_refused_at_any_moment_of_the_first(shapes: Path, tmp_path: Path) -> None:
    """While images are read, in a step, and as a resumption; the first ends as if nothing had been."""
    path, refusals = tmp_path / "run", dict[str, str]()

    def interfere(event: dict[str, Any]) -> None:
        if event["event"] in refusals:
            return
        refusals[event["event"]] = ""
        with pytest.raises(OutputError) as caught:
            fit_small(shapes, path)
        refusals[event["event"]] = str(caught.value)
        if event["event"] == "step":
            with pytest.raises(RunError, match=r"^run to resume: expected one that no other process trains, got one"):
                fit_small(shapes, path, resume=True)

    first = fit_small(shapes, path, report=interfere)
    assert refusals["read"] == _refused(path, "a run under way")
    assert refusals["step"].startswith(_refused(path, "a run"))
    assert first.checkpoint_sha256 == fit_small(shapes, tmp_path / "alone").checkpoint_sha256
    assert {file.name for file in path.iterdir()} == {file.name for file in (tmp_path / "alone").iterdir()}


def test_claim_leaves_nothing_where_nothing_came_of_it(tmp_path: Path) -> None:
    """Folders that were made for it are gone, those of before are there."""
    path = tmp_path / "a" / "b" / "c"
    with claimed_new(path), pytest.raises(OutputError, match="got a run under way"), claimed_new(path):
        raise AssertionError
    assert not any(tmp_path.iterdir())
    (tmp_path / "a").mkdir()
    with claimed_new(tmp_path / "a"):
        pass
    assert (tmp_path / "a").is_dir()
    with claimed_new(tmp_path / "b" / "c"):
        (tmp_path / "b" / "c" / "kept").touch()
    assert (tmp_path / "b" / "c" / "kept").is_file()


def test_claim_ends_with_its_process_however_that_ends(tmp_path: Path) -> None:
    """After a kill an empty folder is left, which the next one takes."""
    path = tmp_path / "run"
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(OutputError) as caught, claimed_new(path):
            raise AssertionError
        assert str(caught.value) == _refused(path, "a run under way")
        holder.kill()
    with claimed_new(path):
        assert not any(path.iterdir())


def test_file_system_without_locks_keeps_nobody_out_but_holds_one_run(
    shapes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that writes its configuration later is refused, and what lies there stays."""

    def refuse(path: Path) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(claim, "FileLock", refuse)
    path, inner = tmp_path / "run", list[Any]()

    def interfere(event: dict[str, Any]) -> None:
        if event["event"] == "read" and not inner:
            inner.append(None)
            inner[0] = fit_small(shapes, path, epochs=1)

    with pytest.raises(OutputError) as caught:
        fit_small(shapes, path, report=interfere)
    assert str(caught.value) == _refused(path, "a run")
    assert inner[0].config.epochs == 1
    assert "epochs: 1\n" in (path / "config.yaml").read_text()


def test_refused_run_without_a_step_leaves_its_folder_free(tmp_path: Path) -> None:
    """One class is too few for lda; the way out that is named goes into the same folder."""
    images = write_classes(tmp_path / "images", {"a": 6})
    values = {"epochs": 0, "dim": 4, "validation": "none"}
    with pytest.raises(DataError, match=r"got 1; use pca$"):
        fit_small(images, tmp_path / "run", head="lda", **values)
    assert not (tmp_path / "run").exists()
    assert fit_small(images, tmp_path / "run", head="pca", **values).facts["head"]["name"] == "pca"
