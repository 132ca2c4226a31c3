"""Published models and their versions as they are printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from artifact.model.manifest import Manifest
from artifact.repository.reading import PublishedModel
from lookalike import console


def print_models(models: Sequence[PublishedModel], *, as_json: bool) -> None:
    """Print a line for each model of a repository."""
    rows = [
        {
            "name": model.name,
            "mode": model.manifests[max(model.manifests)].mode if model.manifests else "",
            "versions": list(model.manifests),
            "served": model.served,
        }
        for model in models
    ]
    if as_json:
        console.print_json(rows)
    else:
        console.print_table(("name", "mode", "versions", "served"), [list(row.values()) for row in rows])


def print_versions(model: PublishedModel, *, as_json: bool) -> None:
    """Print a line for each version of a model."""
    rows = [
        {
            "version": version,
            "served": version in model.served,
            "digest": manifest.digest,
            "created": manifest.created,
            "recall_at_1": _recall(manifest),
            "rests_on": _rests_on(manifest),
        }
        for version, manifest in model.manifests.items()
    ]
    if as_json:
        console.print_json({"name": model.name, "versions": rows})
        return
    console.print_table(
        ("version", "served", "digest", "created", "recall@1"),
        [
            (row["version"], "yes" if row["served"] else "", row["digest"], row["created"], _recall_cell(row))
            for row in rows
        ],
    )


def published_facts(model: PublishedModel) -> dict[str, Any]:
    """The version that a publication made: {"version", "digest"}."""
    version = model.newest_served()
    return {"version": version, "digest": model.manifest(version).digest}


def _recall(manifest: Manifest) -> Any:
    metrics = manifest.training.get("metrics")
    return metrics.get("recall@1") if isinstance(metrics, dict) else None


def _rests_on(manifest: Manifest) -> dict[str, Any]:
    """{figure of the row: {its counts, "is_enough", "text"}}, as `train` and `evaluate` give it."""
    facts = (manifest.training.get("rests_on") or {}).get("recall@1")
    return {} if facts is None else {"recall_at_1": facts}


def _recall_cell(row: dict[str, Any]) -> Any:
    """The number, and where it rests on too few the word."""
    facts = row["rests_on"].get("recall_at_1")
    if row["recall_at_1"] is None or not facts or facts["is_enough"]:
        return row["recall_at_1"]
    return f"{console.show(row['recall_at_1'])} ({facts['text']})"
