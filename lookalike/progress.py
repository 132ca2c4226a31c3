"""Progress on stderr: a bar in a terminal, plain lines elsewhere; fed with the events that the libraries report."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from lookalike import console


class EventProgress:
    """Draws events; a context manager whose `report` is passed to a library call."""

    def __init__(self) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TimeRemainingColumn(),
            TextColumn("{task.fields[facts]}"),
        )
        self._progress = Progress(*columns, console=console.err, disable=not console.err.is_terminal)
        self._tasks: dict[str, TaskID] = {}

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
                self._bar("reading images", event["done"], event["total"], "")
            case "step":
                self._bar("training", event["step"], event["steps"], training_facts(event))
            case "epoch":
                self._line(f"epoch {event['epoch']}/{event['epochs']}: {training_facts(event)}")
            case "rows":
                total = event.get("num_rows")
                facts = f"{event['done']} rows, {event['images_per_s']:.0f} images/s, {event['num_errors']} bad"
                self._bar("scoring", event["done"], total, facts)
            case "warning":
                self._line(f"warning: {event['message']}")
            case "note":
                self._line(event["message"])

    def _bar(self, name: str, done: int, total: int | None, facts: str) -> None:
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=total, facts=facts)
        self._progress.update(self._tasks[name], completed=done, total=total, facts=facts)

    def _line(self, text: str) -> None:
        self._progress.console.print(text, markup=False)


def training_facts(event: Mapping[str, Any]) -> str:
    """Loss, % active, % correct, speed, and recall@1 and mAP@R where the event has them."""
    facts = [
        f"loss {event['loss']:.4f}",
        f"{event['pct_active']:.0f} % active",
        f"{event['pct_correct']:.1f} % correct",
    ]
    facts += [f"{key} {event[key]:.3f}" for key in ("recall@1", "mAP@R") if event.get(key) is not None]
    return ", ".join([*facts, f"{event['images_per_s']:.0f} images/s"])
