"""The figures of a job's progress: of the last half minute, with the time left by the rows and not by the images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from serving.client.scorer import Scorer
from serving.client.windows import ScoredRows
from serving.jobs.progress import RECENT_S, JobProgress
from tests.shared.scored_images import publish_models, write_images


def scored(num_rows: int, num_images: int, num_bad: int = 0) -> ScoredRows:
    rows = np.arange(num_rows - num_bad)
    bad = [(row, "image", "cannot be read") for row in range(num_rows - num_bad, num_rows)]
    return ScoredRows(num_rows=num_rows, num_images=num_images, rows=rows, columns={}, bad=bad)


@pytest.fixture
def scorer(tmp_path: Path) -> Any:
    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=["triplet_branch"])
    with Scorer("triplet_branch", repository=repository, batch_size=4, threads=1) as opened:
        yield opened


def test_speed_and_time_left_are_of_the_last_half_minute(scorer: Scorer) -> None:
    """A minute at 100 rows/s, then at 10: half a minute later that is what is told, beside a plain sum."""
    now, events = 0.0, []
    progress = JobProgress(
        scorer, num_rows=20_000, done=5_000, num_errors=7, report=lambda event: events.append(event), clock=lambda: now
    )
    for second in range(1, 121):
        now = float(second)
        progress.add(scored(100, 50, 1) if second <= 60 else scored(10, 10))
    assert (events[0]["done"], events[0]["images_per_s"], events[0]["eta_s"]) == (5_100, 50, 149)
    assert (events[59]["images_per_s"], events[59]["eta_s"]) == (50, 90)
    assert 10 < events[70]["images_per_s"] < 50
    last = events[-1]
    assert (last["done"], last["num_rows"], last["num_errors"]) == (5_000 + 6_000 + 600, 20_000, 7 + 60)
    assert (last["images_per_s"], last["eta_s"]) == (10, 8_400 / 10)
    assert RECENT_S < 60
    assert last["p50_ms"] is None


def test_what_is_not_known_is_none(scorer: Scorer, tmp_path: Path) -> None:
    """No length, so no time left; latencies once a batch was run."""
    events: list[Any] = []
    progress = JobProgress(scorer, num_rows=None, done=0, num_errors=0, report=events.append)
    progress.add(scored(5, 5))
    assert (events[0]["num_rows"], events[0]["eta_s"], events[0]["p99_ms"]) == (None, None, None)
    scorer.embed(write_images(tmp_path / "images", 9))
    progress.add(scored(5, 5))
    assert 0 < events[1]["p50_ms"] <= events[1]["p99_ms"]
