"""Runs read back from their folders, and what is refused as no sound run."""

import shutil
from pathlib import Path

import pytest

from artifact.errors import RunError
from tests.shared.shapes_run import fit_small, write_shapes
from trainer.run.saved_run import load_run


def test_load_run_refuses_what_is_no_sound_run(tmp_path: Path) -> None:
    """Each way a folder can be wrong, in one line that names it."""
    good = fit_small(write_shapes(tmp_path / "images"), tmp_path / "good", epochs=1).path

    def spoiled(name: str) -> Path:
        return Path(shutil.copytree(good, tmp_path / name))

    (spoiled("bare") / "checkpoint.safetensors").unlink()
    (spoiled("foreign") / "config.yaml").unlink()
    (spoiled("odd") / "config.yaml").write_text("- 1\n- 2\n")
    (spoiled("future") / "config.yaml").write_text((good / "config.yaml").read_text() + "colour: red\n")
    cut = spoiled("cut") / "checkpoint.safetensors"
    cut.write_bytes(cut.read_bytes()[:-50])
    dim = spoiled("dim") / "config.yaml"
    dim.write_text(dim.read_text().replace("dim: 8", "dim: 9"))
    (spoiled("facts") / "facts.json").write_text("{")
    for name, message in (
        ("gone", "run: expected a folder that lookalike train wrote, got nothing there"),
        ("bare", "run: expected checkpoint.safetensors, got none"),
        ("foreign", "run: expected config.yaml, got none"),
        ("odd", "config.yaml of a run: expected readable settings, got list instead of settings"),
        ("future", "config.yaml of a run: expected readable settings, got setting 'colour': expected a known one"),
        ("cut", "checkpoint: expected a whole safetensors file, got "),
        ("dim", "checkpoint: expected embedding.weight [9, 1152], got [8, 1152]"),
        ("facts", "facts.json of a run: expected readable JSON, got "),
    ):
        with pytest.raises(RunError) as caught:
            load_run(tmp_path / name)
        assert str(caught.value).startswith(message)
        assert f"({tmp_path / name}" in str(caught.value)
        assert "\n" not in str(caught.value)
