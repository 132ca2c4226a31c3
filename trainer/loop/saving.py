"""The files of a run under way: its lines of metrics, the weights that are kept, and now and then its state.

Decisions a reader would question:
- The state is written by the clock, for it is the largest file and an epoch may take a tenth of a second. Everything
  else is written when an epoch was validated, and after the first one, so that a run under way can be read soon.
- Whatever the state builds upon is written before it. So the lines of metrics reach at least to its epoch; those beyond
  it come again, and are the same, when the run goes on.
- Where the best epoch is kept, its state follows at once. Else the weights could be of an epoch that the state does
  not know yet, and on a GPU, whose sums are not the same twice, that epoch might not be the best one next time.
"""

from __future__ import annotations

import json
import time

from artifact.atomic import write_atomically
from trainer.loop.training import Training
from trainer.run.checkpoint import save_checkpoint, save_state
from trainer.run.folder import METRICS
from trainer.watch.selection import is_kept, is_out_of_patience, is_validated


class Saves:
    """The writer of these files; on every rank but the first its methods do nothing.

    Args:
        training: a new run, or one that has been put back where its state stood.
    """

    def __init__(self, training: Training) -> None:
        self._training = training
        self._written_at = time.monotonic()
        self._num_lines = -1
        """In metrics.jsonl; what a run that was cut off left there may be more than its state knows of."""

    @property
    def is_due(self) -> bool:
        """Whether the last state is old enough for a new one; where nothing is written, it never is."""
        every = self._training.config.loop.save_every_s
        return self._training.ranks.is_first and time.monotonic() - self._written_at > every

    def epoch(self) -> None:
        """Write what belongs to the epoch that has just ended, its line being the last of the training's lines."""
        training, config = self._training, self._training.config
        if not training.ranks.is_first:
            return
        epoch, is_best = len(training.lines), False
        if epoch == 1 or is_validated(epoch, config):
            self._metrics()
            if is_kept(training.lines, config.loop):
                save_checkpoint(training.folder, training.kept_branch)
                is_best = config.loop.keep == "best"
        is_end = epoch == config.epochs or is_out_of_patience(training.lines, config.loop)
        if is_end or is_best or self.is_due:  # what follows the end takes its time, and no epoch need be trained again
            self.state()

    def state(self) -> None:
        """Write all from which the run can go on."""
        training = self._training
        if not training.ranks.is_first:
            return
        if self._num_lines != len(training.lines):
            self._metrics()
        save_state(training.folder, training.branch, training.optimizer, training.average, training.position)
        self._written_at = time.monotonic()

    def _metrics(self) -> None:
        lines = self._training.lines
        write_atomically(self._training.folder / METRICS, "".join(json.dumps(x) + "\n" for x in lines).encode())
        self._num_lines = len(lines)
