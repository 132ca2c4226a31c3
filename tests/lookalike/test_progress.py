"""Progress on stderr: what fits a terminal, and what a log file gets."""

import io
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from lookalike.progress import LOG_EVERY_S, EventProgress, learning_facts, length_line, objective_line, training_facts

STEP: dict[str, Any] = {
    "event": "step",
    "epoch": 3,
    "step": 300,
    "steps": 720,
    "loss": 0.76234,
    "pct_active": 100.0,
    "pct_correct": 100.0,
    "pct_easy": 100.0,
    "pct_semi_hard": 0.4,
    "pct_hard": 0.2,
    "images_per_s": 12657.3,
}
EPOCH: dict[str, Any] = STEP | {"event": "epoch", "epochs": 20, "recall@1": 0.985, "mAP@R": 0.9123}


def _terminal(width: int) -> Console:
    return Console(
        file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False, soft_wrap=True
    )


def _drawn(progress: EventProgress, console: Console) -> list[str]:
    with console.capture() as captured:
        console.print(*progress._progress.get_renderables(), sep="\n")
    return [line.rstrip() for line in captured.get().splitlines()]


@pytest.mark.parametrize("width", [80, 120])
def test_progress_fits_the_terminal_with_every_fact(width: int) -> None:
    """Two lines no wider than the terminal: bar, time left and speed; loss, activity, order, difficulty, recall."""
    console = _terminal(width)
    progress = EventProgress(console)
    with progress:
        progress.report(EPOCH)
        progress.report(STEP)
    first, second = _drawn(progress, console)
    assert max(cell_len(first), cell_len(second)) <= width
    assert first.startswith("training")
    assert "42 %" in first
    assert first.endswith("epoch 3, 12657 img/s")
    assert all(part in second for part in ("loss 0.7623", "active", "correct", "semi", "hard", "recall@1 0.985"))


def test_objective_is_told_in_one_line() -> None:
    """Loss, its margins, distance, length of vectors; a miner where tuples are mined."""
    facts = {"loss": "quadruplet", "margin": 1.0, "margin2": 0.5, "distance": "euclidean", "normalized": False}
    words = "loss quadruplet, margin 1, margin2 0.5, euclidean distance, vectors of any length"
    assert objective_line(facts) == words
    line = objective_line(facts | {"normalized": True, "mining": "all"})
    assert line == words.replace("any", "unit") + ", mining all"


def test_length_is_told_in_one_line() -> None:
    """Epochs, steps where these were given, and of a time budget what it was settled by."""
    whole = {"epochs": 20, "steps": 720, "per_epoch": 36}
    assert length_line(whole) == "20 epochs of 36 steps"
    assert length_line({"epochs": 200, "steps": 200, "per_epoch": 1}) == "200 epochs of 1 step"
    assert length_line({"epochs": 1, "steps": 7, "per_epoch": 36}) == "7 steps, 1 epoch of 36 steps"
    budget = {"minutes": 4.0, "spent_s": 12.3, "end_s": 9.8, "step_s": 0.0292}
    assert length_line({"epochs": 203, "steps": 7300, "per_epoch": 36, "budget": budget}) == (
        "7,300 steps fit into 4 minutes (203 epochs of 36 steps; 29 ms a step, 12 s until now, 10 s for the end)"
    )


def test_a_log_of_many_short_epochs_has_not_a_line_for_each() -> None:
    """The first, those that are validated, and every 50th of the run; of few epochs all."""
    for epochs, validated, told in ((50, (), list(range(1, 51))), (200, (3, 40), [1, 3, *range(4, 201, 4)])):
        to = Console(file=io.StringIO(), width=200)
        progress = EventProgress(to)
        for epoch in range(1, epochs + 1):
            recall = {"recall@1": 0.5 if epoch in validated else None, "mAP@R": None}
            progress.report(EPOCH | recall | {"epoch": epoch, "epochs": epochs})
        lines = to.file.getvalue().splitlines()
        assert [int(line.split("/")[0].removeprefix("epoch ")) for line in lines] == told


def test_a_log_says_what_is_left() -> None:
    """A line a minute of a long epoch, with the time until the end."""
    to, seconds = Console(file=io.StringIO(), width=200), iter([0.0, LOG_EVERY_S + 1, LOG_EVERY_S + 1])
    EventProgress(to, clock=lambda: next(seconds)).report(STEP | {"eta_s": 190.2})
    assert to.file.getvalue().startswith("training 42 %: epoch 3, 12657 img/s, 0:03:10 left, loss 0.7623")


def test_progress_leaves_the_least_important_out_where_the_terminal_is_narrow() -> None:
    """Difficulty goes first, then % active; loss, order and recall stay."""
    facts = STEP | {"recall@1": 0.985}
    assert learning_facts(facts, width=60) == "loss 0.7623, 100% active, 100.0% correct, recall@1 0.985"
    assert learning_facts(facts, width=45) == "loss 0.7623, 100.0% correct, recall@1 0.985"


def test_progress_shows_the_last_recall_until_there_is_a_newer_one() -> None:
    """An epoch that held-out images were not looked at in keeps the figure of the one before."""
    console = _terminal(120)
    progress = EventProgress(console)
    with progress:
        progress.report(STEP)
        assert "recall@1" not in _drawn(progress, console)[1]
        progress.report(EPOCH)
        progress.report({key: value for key, value in EPOCH.items() if key not in ("recall@1", "mAP@R")})
        progress.report(STEP)
    assert "recall@1 0.985" in _drawn(progress, console)[1]


def test_progress_of_a_log_file_is_one_line_an_epoch() -> None:
    """Thousands of steps within a minute leave nothing behind but the epoch."""
    file = io.StringIO()
    with EventProgress(Console(file=file, width=80, soft_wrap=True), clock=lambda: 5.0) as progress:
        for step in range(5_000):
            progress.report(STEP | {"step": step})
        progress.report(EPOCH)
        progress.report({"event": "hint", "message": "try [this]"})
        progress.report({"event": "head", "name": "lda", "lambda": 1.0, "why": "recall@1 0.710 -> 0.743"})
        progress.report({"event": "head", "name": "trained", "lambda": None, "why": "lda was not better"})
        progress.report({"event": "end", "seconds": 1.0, "threshold": None})
    assert file.getvalue().splitlines() == [
        "epoch 3/20: loss 0.7623, 100 % active, 100.0 % correct (100 easy, 0 semi-hard, 0 hard), recall@1 0.985, "
        "mAP@R 0.912, 12657 images/s",
        "hint: try [this]",
        "head: lda, lambda 1, recall@1 0.710 -> 0.743",
        "head: trained, lda was not better",
    ]


def test_progress_of_a_log_file_speaks_once_a_minute_in_a_long_epoch() -> None:
    """An hour in one epoch is sixty lines, each with how far it is."""
    file, now = io.StringIO(), 0.0
    progress = EventProgress(Console(file=file, width=80, soft_wrap=True), clock=lambda: now)
    for second in range(3_600):
        now = float(second)
        progress.report(STEP | {"step": 1 + second // 6})
    lines = file.getvalue().splitlines()
    assert len(lines) == 3_600 // LOG_EVERY_S - 1
    assert lines[0].startswith("training 2 %: epoch 3, 12657 img/s, loss 0.7623, 100 % active")


ROWS: dict[str, Any] = {
    "event": "rows",
    "done": 123_456,
    "num_rows": 1_000_000,
    "images_per_s": 99.6,
    "num_errors": 2,
    "eta_s": 8_765.4,
    "p50_ms": 12.3,
    "p99_ms": 45.6,
}


def test_progress_draws_scoring_and_reading() -> None:
    """How far and how fast, then bad rows and latencies; within the terminal."""
    console = _terminal(80)
    progress = EventProgress(console)
    with progress:
        progress.report({"event": "read", "done": 64, "total": 4000})
        progress.report(ROWS)
    reading, scoring, below = _drawn(progress, console)
    assert reading.endswith("64 of 4,000")
    assert max(map(cell_len, (scoring, below))) <= 80
    assert scoring.endswith("123,456 of 1,000,000 rows, 100 img/s")
    assert below == "2 bad, batches in 12 ms (p50), 46 ms (p99)"


def test_progress_of_a_table_without_a_known_length_says_what_it_knows() -> None:
    """No share, no time left, no latency before the first batch."""
    file, now = io.StringIO(), 0.0
    progress = EventProgress(Console(file=file, width=80, soft_wrap=True), clock=lambda: now)
    now = LOG_EVERY_S
    progress.report(ROWS | {"num_rows": None, "eta_s": None, "p50_ms": None, "p99_ms": None})
    assert file.getvalue() == "scoring: 123,456 rows, 100 img/s, 2 bad\n"


def test_progress_of_scoring_into_a_log_file_is_a_line_a_minute() -> None:
    """An hour is sixty lines, each with the time left."""
    file, now = io.StringIO(), 0.0
    progress = EventProgress(Console(file=file, width=80, soft_wrap=True), clock=lambda: now)
    for second in range(3_600):
        now = float(second)
        progress.report(ROWS | {"done": second})
    lines = file.getvalue().splitlines()
    assert len(lines) == 3_600 // LOG_EVERY_S - 1
    assert lines[-1] == (
        "scoring 0 %: 3,540 of 1,000,000 rows, 100 img/s, 2:26:05 left, 2 bad, batches in 12 ms (p50), 46 ms (p99)"
    )


def test_progress_passes_unknown_events_over() -> None:
    """A newer library may report more."""
    with EventProgress(_terminal(80)) as progress:
        progress.report({"event": "tide"})


def test_training_facts_are_those_that_the_event_has() -> None:
    """Siamese runs without difficulty and runs without held-out images have shorter lines."""
    event = {"loss": 1.0, "pct_active": 3.4, "pct_correct": 97.25, "images_per_s": 10.0, "recall@1": None}
    assert training_facts(event) == "loss 1.0000, 3 % active, 97.2 % correct, 10 images/s"
    tuples = event | {"held_out_pct_correct": 88.0}
    assert training_facts(tuples) == "loss 1.0000, 3 % active, 97.2 % correct, held-out 88.0 % correct, 10 images/s"


def test_progress_of_a_push_says_how_many_rows_a_second() -> None:
    """A log gets a line a minute."""
    console, clock = Console(file=io.StringIO(), width=120), iter((0.0, LOG_EVERY_S + 1, LOG_EVERY_S + 1))
    with EventProgress(console, clock=lambda: next(clock)) as progress:
        progress.report({"event": "pushed", "done": 2000, "num_rows": 8000, "rows_per_s": 31.4})
    assert console.file.getvalue() == "pushing 25 %: 2000 rows, 31 rows/s\n"  # type: ignore[attr-defined]
