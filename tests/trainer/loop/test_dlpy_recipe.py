"""DLPy's recipe as docs/training.md gives it: rounds of drawn tuples and a margin of 3, for every kind."""

from pathlib import Path
from typing import Any

import pytest

from tests.shared.shapes_run import write_shapes
from trainer.config.config import make_config
from trainer.loop.fit import fit


@pytest.mark.parametrize(
    ("kind", "loss"), [("siamese", "contrastive_linear"), ("triplet", "triplet"), ("quartet", "quadruplet")]
)
def test_dlpys_recipe_trains(kind: str, loss: str, tmp_path: Path) -> None:
    """Vectors are left free where unit vectors could not be 3 apart, and a margin is the kind's own, as it says."""
    images = write_shapes(tmp_path / "images", per_class=6)
    events: list[dict[str, Any]] = []
    sampling = {"strategy": "rounds", "tuples_per_round": 24, "epochs_per_round": 2}
    values = {"images": images, "kind": kind, "dim": 4, "size": 32, "epochs": 2, "validation": "none"}
    run = fit(make_config(values | {"margin": 3, "sampling": sampling}), tmp_path / "run", report=events.append)
    assert (run.margin, run.normalized) == (3, False)
    facts = {"loss": loss, "distance": "euclidean", "margin": 3, "normalized": False}
    facts |= {"margin2": 1.5} if kind == "quartet" else {}
    assert run.facts["objective"] == facts
    said = [event["event"] for event in events if event["event"] in ("objective", "step")]
    assert said == ["objective"] + ["step"] * (len(said) - 1)
    assert {"event": "objective", **facts} in events
