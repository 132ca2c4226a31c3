"""report.html: a finished run in one page that needs nothing else, no network and no script.

Decisions a reader would question:
- It is written once, at the end, from the vectors that the threshold uses too; every number on it was measured once,
  elsewhere, and comes in as plain data.
- Everything drawn is bounded: four hundred points of a curve, 2,000 of the map, some three hundred small pictures. So a
  page stays below 3 MB, however large the run.
- What cannot be shown is said, in the place where it would stand.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pages.findings import HeldOut
from pages.page import write_page
from pages.report_attributes import attribute_table
from pages.report_figures import curves
from pages.report_held_out import held_out_parts
from pages.report_prefixes import prefix_table
from pages.report_summary import headline, summary

REPORT = "report.html"


def write_report(
    run: Path,
    *,
    settings: Mapping[str, Any],
    settings_text: str,
    facts: Mapping[str, Any],
    lines: Sequence[Mapping[str, Any]],
    hints: Sequence[str],
    held_out: HeldOut | None,
    threshold: Mapping[str, Any] | None,
) -> Path:
    """Write report.html into a run folder, whole or not at all.

    Args:
        run: the run folder.
        settings: name -> value of the settings as used (those of TrainConfig).
        settings_text: all of them as they are written down.
        facts: what stands in facts.json.
        lines: what stands in metrics.jsonl.
        hints: what to try, one line each.
        held_out: None where nothing was held out: then the page has its curves, and says what is missing.
        threshold: the decision threshold, or None.

    Returns:
        The file.

    Raises:
        OutputError: it cannot be written.
    """
    path = Path(run) / REPORT
    write_page(
        path,
        "report.html.jinja",
        name=Path(run).resolve().name,
        settings=settings,
        settings_text=settings_text,
        headline=headline(facts, lines, threshold),
        hints=hints,
        warnings=facts.get("warnings") or [],
        curves=curves(lines),
        held_out=held_out_parts(held_out, threshold),
        attributes=attribute_table(facts),
        prefixes=prefix_table(facts, dim=settings["dim"]),
        summary=summary(settings, facts, threshold),
    )
    return path
