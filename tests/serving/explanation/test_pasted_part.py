"""What makes pictures alike that share one pasted part is that part: for a trained run and for an adopted network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.adoption.adopt import adopt
from lookalike.cli import main
from serving.client.scorer import Scorer
from serving.explanation.occlusion import HiddenParts, explain
from tests.shared.foreign_networks import export
from tests.shared.pasted_parts import NUM_FIGURES, SIDE_PX, Pasted, paste, write_pasted
from trainer.config.config import make_config
from trainer.loop.fit import fit

pytestmark = pytest.mark.slow

PAIRS = 12


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`trained`, a run that tells the parts apart, and `adopted`, its features as a file of torch's old exporter."""
    folder = tmp_path_factory.mktemp("pasted")
    images = write_pasted(folder / "images", per_class=60)
    values = {"images": images, "kind": "triplet", "dim": 16, "size": SIDE_PX, "epochs": 12}
    run = fit(make_config(values), folder / "run")
    assert main(["export", str(folder / "run"), "--repository", str(folder / "models"), "--name", "trained"]) == 0
    mean, std = run.preprocessing.mean, run.preprocessing.std
    file = export(run.branch.base.eval(), folder / "adopted.onnx", size=SIDE_PX, opset=17)
    adopt(file, mean=mean, std=std).publish(folder / "models")
    return folder / "models"


@pytest.mark.parametrize(("model", "most_hit", "times"), [("trained", 0.9, 4.0), ("adopted", 0.8, 2.3)])
def test_the_map_peaks_in_the_part_that_they_share(repository: Path, model: str, most_hit: float, times: float) -> None:
    """In this share of pictures; the part is a ninth of each, and gets so many times its share of all growth.

    The adopted features, with no layer behind them that was trained to leave the ground out, see more of the ground.
    """
    random = np.random.default_rng(99)
    hits, shares, regions = [], [], []
    with Scorer(model, repository=repository) as scorer:
        for number in range(PAIRS):
            pair = [paste(number % NUM_FIGURES, random) for _ in range(2)]
            found = explain(scorer, *(each.pixels for each in pair), most_runs=700)
            for parts, pasted in zip(found.parts, pair, strict=True):
                hits.append(_peaks_in(parts, pasted))
                shares.append(_share_in(parts, pasted))
                patch = parts.regions[0].patch
                middle = (patch.top + patch.bottom) // 2, (patch.left + patch.right) // 2
                regions.append(pasted.holds(*middle))
    assert np.mean(hits) >= most_hit
    assert np.mean(shares) >= times / 9
    assert np.mean(regions) >= 0.65


def _peaks_in(parts: HiddenParts, pasted: Pasted) -> bool:
    row, column = np.unravel_index(int(np.argmax(parts.growth)), parts.growth.shape)
    return pasted.holds(int(row), int(column))


def _share_in(parts: HiddenParts, pasted: Pasted) -> float:
    """Of what hiding makes the distance grow, how much lies in the part."""
    growth = np.maximum(parts.growth, 0)
    return float(growth[pasted.rows, pasted.columns].sum() / growth.sum())
