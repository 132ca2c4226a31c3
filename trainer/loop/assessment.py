"""What a run is measured by: held-out images or tuples after an epoch, and threshold and report when it ends."""

from __future__ import annotations

from typing import Any

import torch

from analysis.measures.metrics import retrieval_metrics
from analysis.measures.verification import decision_threshold
from artifact.arrays import Vectors
from artifact.events import Report
from pages.report import HeldOut, write_report
from trainer.loop.training import Training
from trainer.loop.validation import FALSE_ACCEPT_RATE, embed


def assess(training: Training) -> dict[str, float]:
    """Metrics of the weights that would be kept, on what is held out; empty where nothing is."""
    prepared = training.prepared
    if prepared.held_out is None:
        return {}
    vectors = embed(training.kept_branch, prepared.held_out)
    if prepared.held_out_tuples is not None:
        tuples = prepared.held_out_tuples
        different = None if tuples.different is None else torch.from_numpy(tuples.different)
        outcome = training.objective(
            torch.from_numpy(vectors), tuples=torch.from_numpy(tuples.images), different=different
        )
        return {"held_out_pct_correct": round(100 * float(outcome.share_correct), 4)}
    metrics = retrieval_metrics(vectors, prepared.held_out.labels, distance=training.config.distance, ks=(1,))
    return {name: float(metrics[name]) for name in ("recall@1", "mAP@R")}


def find_threshold(training: Training, vectors: Vectors | None) -> dict[str, Any] | None:
    """The decision threshold at a false-accept rate of 1 % over held-out pairs; None where there are no classes."""
    prepared, config = training.prepared, training.config
    if vectors is None or prepared.held_out is None or prepared.held_out_tuples is not None:
        return None
    labels = prepared.held_out.labels
    return decision_threshold(vectors, labels, distance=config.distance, far=FALSE_ACCEPT_RATE, seed=config.seed)


def report_run(training: Training, facts: dict[str, Any], vectors: Vectors | None, say: Report) -> None:
    """Write report.html; what goes wrong there is a warning, for the run itself is done."""
    held_out = training.prepared.held_out
    shown = None
    if held_out is not None and vectors is not None:
        has_classes = training.prepared.held_out_tuples is None
        shown = HeldOut(
            vectors=vectors,
            labels=held_out.labels if has_classes else None,
            classes=held_out.files.classes,
            names=held_out.files.names,
            pixels=held_out.pixels,
        )
    try:
        write_report(
            training.folder,
            config=training.config,
            facts=facts,
            lines=training.lines,
            held_out=shown,
            threshold=facts.get("threshold"),
        )
    except Exception as error:  # a page of plots must not cost hours of training
        say({"event": "warning", "message": f"report.html could not be written: {type(error).__name__}: {error}"})
