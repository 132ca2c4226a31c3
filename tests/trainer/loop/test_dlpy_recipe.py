"""DLPy's recipe as docs/training.md gives it: rounds of drawn tuples and a margin of 3, for every kind."""

from pathlib import Path

import pytest

from tests.shared.shapes_run import write_shapes
from trainer.config.config import make_config
from trainer.loop.fit import fit


@pytest.mark.parametrize("kind", ["siamese", "triplet", "quartet"])
def test_dlpys_recipe_trains(kind: str, tmp_path: Path) -> None:
    """Vectors are left free where unit vectors could not be 3 apart."""
    images = write_shapes(tmp_path / "images", per_class=6)
    sampling = {"strategy": "rounds", "tuples_per_round": 24, "epochs_per_round": 2}
    values = {"images": images, "kind": kind, "dim": 4, "size": 32, "epochs": 2, "validation": "none"}
    run = fit(make_config(values | {"margin": 3, "sampling": sampling}), tmp_path / "run")
    assert (run.margin, run.normalized) == (3, False)
