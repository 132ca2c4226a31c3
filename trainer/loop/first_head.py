"""The embedding layer that a run begins with, where it is not a random one.

Decision a reader would question: it is put in place before the first step and after the trial, in which it decides
nothing of what a step costs. A run that goes on has it in its weights; one without a state begins with it again.
"""

from __future__ import annotations

from artifact.errors import DataError
from artifact.events import Report
from trainer.config.head import LDA
from trainer.head.final import put_head
from trainer.head.untrained import head_before_training
from trainer.loop.training import Training
from trainer.networks.branch import Branch


def put_first_head(training: Training, say: Report) -> None:
    """Set the embedding layer as the settings ask; a random one stays where another cannot be fitted.

    Args:
        training: before its first step; other ranks take its weights over when they are joined.
        say: gets a warning where it cannot be fitted.
    """
    if training.config.first_head != LDA:
        return
    try:
        layer = head_before_training(training.branch, training.config, training.prepared.train, folder=training.folder)
    except DataError as error:
        message = f"the first embedding layer is random, for no lda could be fitted: {error}"
        say({"event": "warning", "message": message})
        return
    put_head(training.branch, layer)
    if training.average is not None:
        assert isinstance(training.average.module, Branch)
        put_head(training.average.module, layer)
