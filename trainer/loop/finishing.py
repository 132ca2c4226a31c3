"""The end of a run: its head, threshold, figures, report and facts, of the weights that were kept.

Decision a reader would question: a closed-form head and its facts go into the checkpoint together, replaced at once.
So a run that is cut off here has either the trained layer, and is chosen for again, or the final one, and is measured.
Its metrics are those of the last line of training with what was measured anew in their place; which of them are still
the trained layer's is said beside them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from analysis.evaluation.counts import training_counts
from analysis.measures.support import as_facts
from artifact.arrays import Vectors
from artifact.events import Report
from trainer.config.head import NONE, TRAINED
from trainer.head.final import find_head, put_head
from trainer.loop.assessed import Assessed
from trainer.loop.assessment import embed, find_threshold, held_out_pairs, measure, why_no_threshold
from trainer.loop.attribute_measures import measure_attributes
from trainer.loop.prefixes import measure_prefixes
from trainer.loop.run_report import report_run
from trainer.loop.training import Training
from trainer.run.checkpoint import head_in, save_checkpoint
from trainer.run.facts import final_facts
from trainer.run.folder import CHECKPOINT, STATE, write_facts
from trainer.run.saved_run import load_weights, read_facts
from trainer.watch.selection import kept_line

_RESAMPLES = 200


def finish(training: Training, output: Path, say: Report, started: float) -> None:
    """Put the head in its place and measure; then the state is not needed any more.

    Args:
        training: after its last epoch.
        output: the run folder.
        say: gets {"event": "head" | "warning" | "end", ...}.
        started: by time.monotonic().
    """
    load_weights(training.branch, output / CHECKPOINT)
    head = head_in(output / CHECKPOINT) or _decide_head(training, output, say)
    held_out = training.prepared.held_out
    vectors = None if held_out is None else embed(training.branch, held_out)
    is_trained = head["name"] == TRAINED
    line = dict(kept_line(training.lines, training.config.loop))
    measured: dict[str, float] = {}
    if vectors is not None and not is_trained and np.isfinite(vectors).all():
        measured = measure(training, vectors)
    before = [] if is_trained else [name for name in line if name not in measured]
    facts = write_end(training, line | measured, vectors, head, say, started, of_trained=before)
    (output / STATE).unlink(missing_ok=True)
    say({"event": "end", "seconds": facts["seconds"], "threshold": facts["threshold"]})


def write_end(
    run: Assessed,
    metrics: Mapping[str, Any],
    vectors: Vectors | None,
    head: Mapping[str, Any],
    say: Report,
    started: float,
    *,
    of_trained: Sequence[str] = (),
) -> dict[str, Any]:
    """Threshold, prefixes, report and facts; with these the run is finished.

    Args:
        run: at its end, its checkpoint written.
        metrics: of the branch as it is, but for those named in `of_trained`.
        vectors: float32 [N, n] of the held-out images, or None.
        head: its facts.
        say: gets a warning where the report could not be written.
        started: by time.monotonic().
        of_trained: names of metrics that are the trained layer's, where another head took its place.

    Returns:
        The facts.
    """
    pairs = held_out_pairs(run, vectors)
    facts = read_facts(run.folder) | final_facts(
        metrics,
        of_trained=of_trained,
        rests_on=as_facts(training_counts(metrics)),
        threshold=find_threshold(run, pairs),
        why_no_threshold=why_no_threshold(run, pairs),
        head=head,
        prefixes=[] if head["name"] in (TRAINED, NONE) else measure_prefixes(run, vectors, head),
        seconds=time.monotonic() - started,
    )
    if vectors is not None and run.prepared.rows is not None:
        facts |= {"attribute_retrieval": measure_attributes(run, run.branch, vectors, bootstrap=_RESAMPLES)}
    report_run(run, facts, vectors, pairs, say)
    write_facts(run.folder, facts)
    return facts


def _decide_head(training: Training, output: Path, say: Report) -> Mapping[str, Any]:
    """The head's facts, after it stands in the branch and in the checkpoint."""
    prepared = training.prepared
    found = find_head(
        training.branch,
        training.config,
        prepared.train,
        prepared.set_aside,
        has_classes=prepared.has_classes,
        folder=output,
    )
    facts = found.to_dict()
    if found.layer is not None:
        put_head(training.branch, found.layer)
        save_checkpoint(output, training.branch, head=facts)
    if found.failed:
        say({"event": "warning", "message": f"the trained head stays: {found.why}"})
    elif training.config.head != TRAINED:
        tell_head(facts, dim=training.config.dim, say=say)
    return facts


def tell_head(head: Mapping[str, Any], *, dim: int, say: Report) -> None:
    """Say which head it is, and warn where the last numbers of every vector are 0.

    Args:
        head: its facts.
        dim: numbers of a vector.
        say: gets {"event": "head" | "warning", ...}.
    """
    say({"event": "head", **head})
    directions = head.get("directions", dim)
    if directions < dim:
        zeros = f"the last {dim - directions} of {dim} numbers of every vector are 0"
        message = f"{zeros}, for the features have {directions} directions; --dim {directions} gives the same distances"
        say({"event": "warning", "message": message})
