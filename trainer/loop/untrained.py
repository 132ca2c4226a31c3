"""A run without a step (`--epochs 0`): the network as it is, and a head fitted on the features of its images, or none.

Decisions a reader would question:
- The loop is not entered: there are no batches, so classes of one image, a single class and images without any are all
  trained on, or rather fitted on.
- Every image goes through the network once, those held out too: the head is fitted on the features of the ones and
  applied to those of the others, and metrics, threshold, prefixes and report are of the same vectors.
- Without a head (`--head none`) nothing is fitted, so there may be no images at all. Of those that there are only what
  is held out goes through the network, for metrics and threshold.
- There is no state to go on from, and it takes seconds: `--resume` of such a run that was cut off does it all again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from artifact.arrays import Vectors
from artifact.atomic import write_atomically
from artifact.events import Report
from trainer.config.head import NONE
from trainer.config.objective_facts import objective_facts
from trainer.data.images import Images
from trainer.head.closed_form import ClosedHead
from trainer.head.final import FinalHead, put_head
from trainer.head.scale import vectors_of
from trainer.head.untrained import head_without_training
from trainer.loop.assessed import Assessed, make_objective
from trainer.loop.assessment import embed, measure
from trainer.loop.finishing import tell_head, write_end
from trainer.loop.preparation import Prepared
from trainer.loop.resumption import begin_again
from trainer.networks.base_networks import make_branch
from trainer.networks.branch import Branch, FeatureBranch
from trainer.run.checkpoint import save_checkpoint
from trainer.run.facts import first_facts
from trainer.run.folder import METRICS, create_run
from trainer.weights.frozen_features import FrozenFeatures


def fit_untrained(
    prepared: Prepared, output: Path, say: Report, started: float, device: torch.device, *, resume: bool = False
) -> None:
    """Write the run folder: the head fitted, and what it makes of the images held out measured.

    Args:
        prepared: with a configuration whose `epochs` is 0.
        output: the run folder, there and empty; nothing is written before the head is fitted.
        say: gets {"event": "head" | "warning" | "end", ...}.
        started: by time.monotonic().
        device: where features are computed.
        resume: the folder holds what was begun of this run, all of which is done again.

    Raises:
        RunError: nothing to resume, or another or a finished run.
        DataError: images that no head can be fitted to.
        OutputError: no room for a file of features.
    """
    if resume:
        begin_again(output, prepared)
    branch = make_branch(prepared.config, prepared.base).to(device)
    branch.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub lacks it
    run = Assessed(prepared=prepared, folder=output, branch=branch, objective=make_objective(prepared))
    head, layer = _head(run)
    if not resume:  # what can be refused was
        facts = first_facts(data=prepared.data_facts(), seed=prepared.config.seed, base=prepared.base.to_dict())
        create_run(output, prepared.config, facts | {"objective": objective_facts(prepared.config, prepared.loss)})
    if layer is not None:
        put_head(branch, layer)
    tell_head(head, dim=run.config.dim, say=say)
    vectors = None if prepared.held_out is None else _vectors(branch, prepared.held_out, folder=output)
    metrics = {} if vectors is None or not np.isfinite(vectors).all() else measure(run, vectors)
    save_checkpoint(output, branch, head=head)
    write_atomically(output / METRICS, b"")  # one line an epoch
    facts = write_end(run, metrics, vectors, head, say, started)
    say({"event": "end", "seconds": facts["seconds"], "threshold": facts["threshold"]})


def _head(run: Assessed) -> tuple[dict[str, Any], ClosedHead | None]:
    """The head's facts, and the layer; None: features stay as they are."""
    prepared = run.prepared
    if run.config.head == NONE:
        why = "asked for" if prepared.num_images else "no images to fit one on"
        return FinalHead(name=NONE, why=why).to_dict(), None
    found = head_without_training(run.branch, run.config, prepared.train, prepared.set_aside, folder=run.folder)
    assert found.layer is not None
    return found.to_dict(), found.layer


def _vectors(branch: Branch, images: Images, *, folder: Path) -> Vectors:
    """float32 [images, embedding_dim]."""
    if isinstance(branch, FeatureBranch):
        return embed(branch, images)
    features = FrozenFeatures(branch, images, folder=folder).values
    weight, bias = (each.detach().cpu().numpy() for each in (branch.embedding.weight, branch.embedding.bias))
    return vectors_of(features, weight, bias, normalize=branch.normalize)
