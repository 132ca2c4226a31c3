"""Training: a configuration in, a run folder out.

Decisions a reader would question:
- Every distinct image of a batch goes through the branch once; the streams of a kind exist as tuples of vectors only.
- Nothing is printed here. `report` gets one dict per event (`read`, `step`, `epoch`, `hint`, `warning`, `head`,
  `end`), and the command line draws them.
- Under torchrun every rank runs this function; the first one alone validates, reports and writes, and what it decides
  holds for all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from analysis.evaluation.counts import training_counts
from analysis.measures.support import as_facts
from artifact.atomic import write_atomically
from artifact.events import Report
from artifact.images.cores import granted_threads
from trainer.config.config import TrainConfig
from trainer.config.continuing import continued
from trainer.config.length import check_length, num_epochs
from trainer.config.objective_facts import objective_facts
from trainer.loop.assessment import assess
from trainer.loop.budget import settle_length
from trainer.loop.distributed import Ranks, joined
from trainer.loop.epoch import train_epoch
from trainer.loop.event_log import EventLog, require_tensorboard
from trainer.loop.expected_end import length_facts, with_expected_end
from trainer.loop.finishing import finish
from trainer.loop.interruption import Interruption
from trainer.loop.preparation import prepare
from trainer.loop.resumption import resume_training
from trainer.loop.training import Training, make_training
from trainer.loop.untrained import fit_untrained
from trainer.run.checkpoint import save_checkpoint, save_state
from trainer.run.facts import first_facts
from trainer.run.folder import CONFIG, METRICS, check_output, create_run
from trainer.run.former_settings import as_begun
from trainer.run.saved_run import Run, load_run, read_config
from trainer.watch.hints import Watch
from trainer.watch.selection import is_kept, is_out_of_patience


def fit(
    config: TrainConfig,
    output: Path,
    *,
    report: Report | None = None,
    resume: bool = False,
    check: Callable[[TrainConfig], None] | None = None,
) -> Run:
    """Train a branch, or with `epochs` 0 fit its head alone (untrained.py), and write its run folder.

    Args:
        config: what to train; see TrainConfig.
        output: the run folder, new or empty; with `resume`, that of an unfinished run.
        report: called with a dict per event: {"event": "step" | "epoch" | "warning" | ..., ...}.
        resume: continue where the state in `output` stands (or from the start where there is none yet);
            configuration and images must be the same.
        check: called with the resolved configuration before anything is written; what it raises ends the call.

    Returns:
        The finished run, as `load_run` reads it.

    Raises:
        UsageError, DataError, OutputError: before anything is written.
        TrainingError: a loss that is not finite, or vectors that collapsed; what was kept last stays.
        RunError: nothing to resume, or a run of another configuration or other images.
        KeyboardInterrupt, SystemExit: on Ctrl-C and SIGTERM, after the state was written.
    """
    started = time.monotonic()
    output = Path(output)
    check_length(config)
    with joined(config.loop.device) as ranks, _granted_threads():
        say: Report = report if report is not None and ranks.is_first else lambda event: None
        if resume:
            config = _as_begun(as_begun(config, output), output, ranks)
        else:
            ranks.on_first(lambda: check_output(output))
        if config.loop.tensorboard:
            require_tensorboard()  # before any image is read
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(config.seed)
            prepared = prepare(config, report=say, device=ranks.device, resuming=resume)
            prepared, budget = settle_length(prepared, ranks, output, started=started)
            if check is not None:
                ranks.on_first(partial(check, prepared.config))
            if not prepared.config.is_trained:
                ranks.on_first(partial(fit_untrained, prepared, output, say, started, ranks.device, resume=resume))
                return load_run(output)
            training = make_training(prepared, ranks, output)
            if resume:
                resume_training(output, training)
            else:
                base = prepared.base.to_dict()
                facts = first_facts(data=prepared.data_facts(), seed=config.seed, base=base)
                facts |= {"objective": objective_facts(prepared.config, prepared.loss)}
                facts |= {} if budget is None else {"budget": budget.to_dict()}
                ranks.on_first(lambda: create_run(output, prepared.config, facts))
            say({"event": "objective", **objective_facts(prepared.config, prepared.loss)})
            say({"event": "length", **length_facts(training, budget)})
            with _log(training, say) as log:
                _train(training, output, with_expected_end(log, training, budget))
        ranks.on_first(lambda: finish(training, output, say, started))
    return load_run(output)


def _as_begun(config: TrainConfig, output: Path, ranks: Ranks) -> TrainConfig:
    """What the user left open is as the run in the folder began; where there is none, that is refused later."""
    begun: list[TrainConfig] = []
    ranks.on_first(lambda: begun.append(read_config(output)) if (output / CONFIG).is_file() else None)
    written = ranks.agree(begun[0] if begun else None)
    return config if written is None else continued(config, written)


@contextmanager
def _granted_threads() -> Iterator[None]:
    """No more threads of torch than cores are granted; unchanged where torch has as few already."""
    threads = torch.get_num_threads()
    granted = granted_threads(threads)
    if granted == threads:
        yield
        return
    torch.set_num_threads(granted)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _log(training: Training, say: Report) -> Iterator[Report]:
    """Events go to the caller and, where that is asked for, into a log for TensorBoard."""
    if not (training.config.loop.tensorboard and training.ranks.is_first):
        yield say
        return
    with EventLog(training.folder, first_step=training.step + 1) as log:

        def both(event: Mapping[str, Any]) -> None:
            log.report(event)
            say(event)

        yield both


def _train(training: Training, output: Path, say: Report) -> None:
    """All epochs that are left, each with its validation, its line of metrics and its state."""
    config, ranks, epochs = training.config, training.ranks, num_epochs(training.config)
    save, watch = partial(_save, training, output), Watch(config, training.lines)
    with Interruption() as interruption:
        while training.position.epoch < epochs and not is_out_of_patience(training.lines, config.loop):
            line = train_epoch(training, say, save=save, interruption=interruption)
            is_last = line["epoch"] == epochs
            if is_last or line["epoch"] % config.loop.validate_every == 0:
                line |= ranks.agree(assess(training) if ranks.is_first else {})
            training.lines.append(ranks.agree(line))
            if ranks.is_first:
                # the state comes last: whatever was written before it is written again by a resumed run
                write_atomically(output / METRICS, "".join(json.dumps(x) + "\n" for x in training.lines).encode())
                if is_kept(training.lines, config.loop):
                    save_checkpoint(output, training.kept_branch)
            save()
            rests_on = {"rests_on": as_facts(training_counts(training.lines[-1]))}
            say({"event": "epoch", "epochs": epochs} | training.lines[-1] | rests_on)
            for message in watch.epoch(training.lines[-1]):
                say({"event": "hint", "message": message})
            if ranks.any(interruption.received is not None):
                interruption.stop()


def _save(training: Training, output: Path) -> None:
    if training.ranks.is_first:
        save_state(output, training.branch, training.optimizer, training.average, training.position)
