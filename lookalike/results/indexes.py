"""Search indexes as the command that builds and changes them prints them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookalike import console

if TYPE_CHECKING:
    from analysis.search.growth import Change
    from analysis.search.index import Index


def show_built(index: Index, file: Path, *, left_out: dict[str, Any], as_json: bool) -> None:
    """What was built; `left_out` stands in the JSON only."""
    target = index.parameters.get("recall_target")
    if index.recall is not None and target is not None and index.recall < target:
        console.note(f"recall@10 is {index.recall:.4g}, and not {target:.4g} as asked for: ivf or flat reach more")
    _show("indexed", _facts(index, file) | (left_out if as_json else {}), as_json)


def show_changed(change: Change, file: Path, *, left_out: dict[str, Any] | None = None, as_json: bool) -> None:
    """What came and went, and what is there now; `left_out` stands in the JSON only."""
    index, counts = change.index, {}
    if change.num_removed:
        counts["removed"] = change.num_removed
    else:
        counts |= {"added": change.num_added, "replaced": change.num_replaced}
    for line in change.notes:
        console.note(line)
    if change.is_trained_again:
        console.note("its lists no longer suited its rows: they were trained again")
    elif index.recall is not None and not index.is_exact:
        console.note(f"recall@10 is {index.recall:.4g}, measured again with the rows that are there now")
    facts = _facts(index, file)
    if not index.is_exact:
        facts["trained_again"] = change.is_trained_again
    _show("changed", {"index": facts.pop("index"), **counts, **facts, **((left_out or {}) if as_json else {})}, as_json)


def _facts(index: Index, file: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "index": str(file),
        "kind": index.kind,
        "num_rows": index.num_rows,
        "distance": index.distance,
        **index.parameters,
        "images": index.images.source if index.images else None,
    }
    if index.lineage is not None and index.lineage.dims is not None:
        facts["dims"] = index.lineage.dims
    return facts


def _show(title: str, facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts(title, facts)
