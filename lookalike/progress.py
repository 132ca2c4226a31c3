"""Progress on stderr: a bar in a terminal, plain lines elsewhere; fed with the events that the libraries report.

Decisions a reader would question:
- Training takes two lines of the terminal: how far and how fast, and under it what is learned. One line of 80 columns
  cannot hold both. Facts are shortened, and then left out from the end, where the terminal is narrow. Scoring has
  bad rows and latencies in its second line.
- A log file gets a line for each epoch, of many for the first, for those that are validated and for every 50th of the
  run, and one a minute while an epoch or a table takes longer than that.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from lookalike import console

LOG_EVERY_S = 60.0
_NARROW = 100
_BAR_WIDTH = 18
_EPOCH_LINES = 50

_HELD_OUT = {"recall@1": "recall@1 {:.3f}", "held_out_pct_correct": "held-out {:.1f} % correct"}
"""What is shown of the held-out images, and how: the first that the event has; and where it rests on too few, so."""


class _TwoLines(Progress):
    """Bars, and under them what the newest has to say besides."""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        below = [task.fields["below"] for task in self.tasks if task.fields["below"]]
        if below:
            yield Text(below[-1], no_wrap=True, overflow="ellipsis")


class EventProgress:
    """A drawing of events; a context manager whose `report` is passed to a library call.

    Args:
        to: where to; None: stderr.
        clock: seconds, rising.
    """

    def __init__(self, to: Console | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = to or console.err
        self._draws = self._console.is_terminal
        self._clock, self._logged = clock, clock()
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=_BAR_WIDTH),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}", table_column=Column(no_wrap=True)),
        )
        self._progress = _TwoLines(*columns, console=self._console, disable=not self._draws)
        self._tasks: dict[str, TaskID] = {}
        self._validated: dict[str, Any] = {}

    def __enter__(self) -> EventProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def report(self, event: Mapping[str, Any]) -> None:
        """Take one event; kinds that nothing draws are passed over."""
        match event["event"]:
            case "read":
                self._bar("reading images", event["done"], event["total"], [f"{event['done']:,} of {event['total']:,}"])
            case "step":
                self._step(event)
            case "epoch":
                if any(event.get(key) is not None for key in _HELD_OUT):
                    kept = (*_HELD_OUT, "rests_on")
                    self._validated = {key: event[key] for key in kept if event.get(key) is not None}
                if _is_told(event):
                    self._line(f"epoch {event['epoch']}/{event['epochs']}: {training_facts(event)}")
            case "head":
                self._line(f"head: {head_line(event)}")
            case "rows":
                self._rows(event)
            case "pushed":
                facts = [f"{event['done']} rows", f"{event['rows_per_s']:.0f} rows/s"]
                self._bar("pushing", event["done"], event["num_rows"], facts)
            case "neighbours":
                self._bar("finding neighbours", event["done"], event["total"], [f"{event['done']:,} rows"])
            case "objective":
                self._line(objective_line(event))
            case "length":
                self._line(length_line(event))
            case "warning":
                self._line(f"warning: {event['message']}")
            case "hint":
                self._line(f"hint: {event['message']}")
            case "note":
                self._line(event["message"])

    def neighbours(self, done: int, total: int) -> None:
        """Report how many rows of a table have their neighbours, as analysis.search.graph tells it."""
        self.report({"event": "neighbours", "done": done, "total": total})

    def _step(self, event: Mapping[str, Any]) -> None:
        below = learning_facts({**event, **self._validated}, width=self._console.width if self._draws else None)
        epochs = f"/{event['epochs']}" if "epochs" in event else ""
        speed = [f"epoch {event['epoch']}{epochs}", f"{event['images_per_s']:.0f} img/s", *self._left(event)]
        self._bar("training", event["step"], event["steps"], speed, below=below)

    def _rows(self, event: Mapping[str, Any]) -> None:
        total = event.get("num_rows")
        done = f"{event['done']:,} of {total:,} rows" if total is not None else f"{event['done']:,} rows"
        speed = [done, f"{event['images_per_s']:.0f} img/s"]
        self._bar("scoring", event["done"], total, [*speed, *self._left(event)], below=rows_facts(event))

    def _left(self, event: Mapping[str, Any]) -> list[str]:
        """The time that is left, in a log; a bar tells it itself."""
        if self._draws or event.get("eta_s") is None:
            return []
        return [f"{timedelta(seconds=round(event['eta_s']))} left"]

    def _bar(self, name: str, done: int, total: int | None, facts: Sequence[str], *, below: str = "") -> None:
        if not self._draws:
            self._log(name, done, total, [*facts, *([below] if below else [])])
            return
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, facts="", below="")
        text = ", ".join(facts)
        self._progress.update(self._tasks[name], completed=done, total=total, facts=text, below=below)

    def _log(self, name: str, done: int, total: int | None, facts: Sequence[str]) -> None:
        if self._clock() - self._logged < LOG_EVERY_S:
            return
        share = f" {100 * done / total:.0f} %" if total else ""
        self._line(f"{name}{share}: {', '.join(facts)}")

    def _line(self, text: str) -> None:
        self._logged = self._clock()
        self._console.print(text, markup=False)


def head_line(head: Mapping[str, Any] | None) -> str | None:
    """The head of a run and why it is that one: of its facts, or of a `head` event; None where the run did not say."""
    if not head:
        return None
    value = f", lambda {console.show(head['lambda'])}" if head.get("lambda") is not None else ""
    return f"{head['name']}{value}, {head['why']}"


def _is_told(event: Mapping[str, Any]) -> bool:
    """Whether an epoch gets a line: small folders have hundreds of them, of a second each."""
    is_validated = any(event.get(key) is not None for key in _HELD_OUT)
    return is_validated or event["epoch"] == 1 or event["epoch"] % -(-event["epochs"] // _EPOCH_LINES) == 0


def objective_line(event: Mapping[str, Any]) -> str:
    """`loss triplet, margin 0.2, euclidean distance, free vectors, mining all` from an `objective` event."""
    facts = [f"loss {event['loss']}"]
    facts += [f"{name} {event[name]:g}" for name in ("margin", "margin2", "cap") if name in event]
    facts += [
        f"{event['distance']} distance",
        f"vectors {'of unit length' if event['normalized'] else 'of any length'}",
    ]
    facts += [f"mining {event['mining']}"] if "mining" in event else []
    return ", ".join(facts)


def length_line(event: Mapping[str, Any]) -> str:
    """`20 epochs of 36 steps` from a `length` event; of a time budget also how many steps fit and what is kept.

    Where images are smaller at first, also of how many steps and how small.
    """
    smaller = event.get("smaller")
    return _length(event) + (f", the first {smaller['steps']:,} steps at {smaller['size']} px" if smaller else "")


def _length(event: Mapping[str, Any]) -> str:
    epochs = f"{event['epochs']:,} epoch{'s' * (event['epochs'] > 1)} of {event['per_epoch']:,} step"
    epochs += "s" * (event["per_epoch"] > 1)
    budget = event.get("budget")
    if budget is None:
        return (
            epochs if event["steps"] == event["epochs"] * event["per_epoch"] else f"{event['steps']:,} steps, {epochs}"
        )
    spent, end, a_step = (budget[name] for name in ("spent_s", "end_s", "step_s"))
    return (
        f"{event['steps']:,} steps fit into {budget['minutes']:g} minutes ({epochs}; {1000 * a_step:.0f} ms a step, "
        f"{spent:.0f} s until now, {end:.0f} s for the end)"
    )


def rows_facts(event: Mapping[str, Any]) -> str:
    """Bad rows, and how long batches take, as far as a `rows` event has it."""
    facts = [f"{event['num_errors']:,} bad"]
    if event.get("p50_ms") is not None:
        facts.append(f"batches in {event['p50_ms']:.0f} ms (p50), {event['p99_ms']:.0f} ms (p99)")
    return ", ".join(facts)


def training_facts(event: Mapping[str, Any]) -> str:
    """What is learned, held-out retrieval where the event has it, and the speed: the line of an epoch."""
    retrieval = []
    if event.get("mAP@R") is not None:  # of the same queries as recall@1, which has their number
        retrieval = [f"mAP@R {event['mAP@R']:.3f}" + _support(event, "mAP@R", short=True)]
    return ", ".join([learning_facts(event), *retrieval, f"{event['images_per_s']:.0f} images/s"])


def learning_facts(event: Mapping[str, Any], *, width: int | None = None) -> str:
    """Loss, % active, % correct, how hard the tuples are and recall@1, as far as the event has them.

    Args:
        event: a `step` or `epoch` event.
        width: columns there are; None: as many as it takes. Below 100 the words are shorter, and where that does not
            fit, difficulty and then % active are left out.
    """
    short = width is not None and width < _NARROW
    unit = "%" if short else " %"
    split = [event.get(key) for key in ("pct_easy", "pct_semi_hard", "pct_hard")]
    difficulty = ""
    if all(isinstance(value, int | float) for value in split):
        easy, semi_hard, hard = (f"{value:.0f}" for value in split)
        difficulty = f"{easy} easy, {semi_hard} semi-hard, {hard} hard"
        difficulty = f"easy/semi/hard {easy}/{semi_hard}/{hard}" if short else f"({difficulty})"
    correct = f"{event['pct_correct']:.1f}{unit} correct"
    shown = next((key for key in _HELD_OUT if event.get(key) is not None), None)
    recall = "" if shown is None else _HELD_OUT[shown].format(event[shown]) + _support(event, shown, short=short)
    loss, active = f"loss {event['loss']:.4f}", f"{event['pct_active']:.0f}{unit} active"
    whole = f"{correct}{', ' if short else ' '}{difficulty}" if difficulty else correct
    for facts in ((loss, active, whole, recall), (loss, active, correct, recall), (loss, correct, recall)):
        text = ", ".join(fact for fact in facts if fact)
        if width is None or cell_len(text) <= width:
            break
    return text


def _support(event: Mapping[str, Any], figure: str, *, short: bool) -> str:
    """What a held-out figure rests on, in brackets; in a narrow terminal only where it is too little."""
    facts = (event.get("rests_on") or {}).get(figure)
    if not facts or (short and facts["is_enough"]):
        return ""
    count, what = next((value, key) for key, value in facts.items() if key not in ("is_enough", "text"))
    return f" ({count:,} {what}{'' if facts['is_enough'] else ', too few'})"
