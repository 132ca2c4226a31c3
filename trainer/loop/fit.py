"""Training: a configuration in, a run folder out.

Decisions a reader would question:
- Every distinct image of a batch goes through the branch once; the streams of a kind exist as tuples of vectors only.
- Nothing is printed here. `report` gets one dict per event (`read`, `step`, `epoch`, `hint`, `warning`, `head`,
  `end`), and the command line draws them.
- Under torchrun every rank runs this function; the first one alone validates, reports, reads and writes the run folder,
  and what it decides and reads holds for all. The others need not see the folder.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from analysis.evaluation.counts import training_counts
from analysis.measures.support import as_facts
from artifact.attributes import Attributes
from artifact.errors import DataError
from artifact.events import Report
from artifact.images.cores import granted_threads
from trainer.config.begun import as_begun
from trainer.config.config import TrainConfig
from trainer.config.continuing import continued
from trainer.config.head import check_no_head
from trainer.config.length import check_length, num_epochs
from trainer.config.objective_facts import objective_facts
from trainer.loop.assessment import assess
from trainer.loop.budget import Budget, settle_length
from trainer.loop.distributed import Ranks, joined
from trainer.loop.epoch import train_epoch
from trainer.loop.event_log import EventLog, require_tensorboard
from trainer.loop.expected_end import length_facts, with_expected_end
from trainer.loop.finishing import finish
from trainer.loop.first_head import put_first_head
from trainer.loop.interruption import Interruption
from trainer.loop.kept_memory import kept_memory
from trainer.loop.preparation import Prepared, prepare
from trainer.loop.resumption import read_begun, resume_training
from trainer.loop.saving import Saves
from trainer.loop.second_look import BeginsAgain, SecondLook
from trainer.loop.training import Training, make_training
from trainer.loop.untrained import fit_untrained
from trainer.loop.without_images import prepare_without_images
from trainer.run.claim import claimed_begun, claimed_new
from trainer.run.facts import first_facts
from trainer.run.folder import begin_run, create_run
from trainer.run.saved_run import Run, open_run, read_run_files
from trainer.watch.hints import Watch
from trainer.watch.selection import is_out_of_patience, is_validated


def fit(
    config: TrainConfig,
    output: Path,
    *,
    report: Report | None = None,
    resume: bool = False,
    check: Callable[[TrainConfig, Attributes | None], None] | None = None,
) -> Run:
    """Train a branch, or with `epochs` 0 fit its head alone (untrained.py), and write its run folder.

    Args:
        config: what to train; see TrainConfig.
        output: the run folder, new or empty; with `resume`, that of an unfinished run.
        report: called with a dict per event: {"event": "step" | "epoch" | "warning" | ..., ...}.
        resume: continue where the state in `output` stands (or from the start where there is none yet);
            configuration and images must be the same.
        check: called with the resolved configuration, and the attributes of a run with two towers, before anything is
            written; what it raises ends the call.

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
    check_no_head(config)
    with joined(config.loop.device) as ranks, _granted_threads(), ExitStack() as held:
        say: Report = report if report is not None and ranks.is_first else lambda event: None
        if resume:
            begun = ranks.on_first(partial(read_begun, output, config))
            ranks.on_first(lambda: held.enter_context(claimed_begun(output)))
            config = continued(as_begun(config, begun), begun)
        else:
            ranks.on_first(lambda: held.enter_context(claimed_new(output)))
        if config.loop.tensorboard:
            require_tensorboard()  # before any image is read
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(config.seed)
            ready = prepare if config.images is not None else prepare_without_images
            prepared = ready(config, report=say, device=ranks.device, resuming=resume)
            _require_same_images(prepared, ranks)
            still_open = prepared
            settle = partial(settle_length, prepared, ranks, output, started=started)
            prepared, budget = settle()
            if check is not None:
                ranks.on_first(partial(check, prepared.config, prepared.attributes))
            if not prepared.config.is_trained:
                ranks.on_first(partial(fit_untrained, prepared, output, say, started, ranks.device, resume=resume))
                return open_run(output, ranks.on_first(partial(read_run_files, output)))
            run = partial(_train, ranks=ranks, output=output, say=say)
            with kept_memory():
                if budget is None or ranks.size > 1:
                    training = run(prepared, budget, resume=resume)
                else:
                    training = _train_within(prepared, budget, run, settle, still_open=still_open, started=started)
                ranks.on_first(lambda: finish(training, output, say, started))
        return open_run(output, ranks.on_first(partial(read_run_files, output)))


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


def _require_same_images(prepared: Prepared, ranks: Ranks) -> None:
    """Every rank reads the images where it is; raises DataError where one found others than the first."""
    first = ranks.agree(prepared.data_sha256)
    if ranks.any(prepared.data_sha256 != first):
        where = prepared.config.images
        raise DataError("images of the processes", expected="the same in all", got="different ones", where=where)


def _train_within(
    prepared: Prepared,
    budget: Budget,
    run: Callable[..., Training],
    settle: Callable[[], tuple[Prepared, Budget | None]],
    *,
    still_open: Prepared,
    started: float,
) -> Training:
    """Train within a time budget: where the steps are much faster than was tried, settle it and begin once more."""
    generator = torch.get_rng_state()
    tried = replace(prepared, base=copy.deepcopy(prepared.base))  # which the trial could copy too
    look = partial(SecondLook, still_open=still_open, budget=budget, started=started)
    try:
        return run(tried, budget, look=look)
    except BeginsAgain:
        del tried
    again, settled = settle()
    torch.set_rng_state(generator)
    return run(again, settled, write=begin_run)


def _train(
    prepared: Prepared,
    budget: Budget | None,
    *,
    ranks: Ranks,
    output: Path,
    say: Report,
    resume: bool = False,
    write: Callable[[Path, TrainConfig, Mapping[str, Any]], None] = create_run,
    look: Callable[[Report, Training], Report] | None = None,
) -> Training:
    """Train all that is left of a run; `write` begins its folder, `look` sees what it reports."""
    config, training = prepared.config, make_training(prepared, ranks, output)
    if resume:
        resume_training(training)
    else:
        facts = first_facts(data=prepared.data_facts(), seed=config.seed, base=prepared.base.to_dict())
        facts |= {"objective": objective_facts(config, prepared.loss)}
        facts |= {} if budget is None else {"budget": budget.to_dict()}
        ranks.on_first(lambda: write(output, config, facts))
    say({"event": "objective", **objective_facts(config, prepared.loss)})
    say({"event": "length", **length_facts(training, budget)})
    with _log(training, say) as log:
        if training.step == 0:
            ranks.on_first(partial(put_first_head, training, say))
        report = with_expected_end(log, training, budget)
        _train_epochs(training, report if look is None else look(report, training))
    return training


def _train_epochs(training: Training, say: Report) -> None:
    """All epochs that are left, each with its line of metrics, some with validation, and what is written of them."""
    config, ranks, epochs = training.config, training.ranks, num_epochs(training.config)
    saves, watch = Saves(training), Watch(config, training.lines)
    with Interruption() as interruption:
        while training.position.epoch < epochs and not is_out_of_patience(training.lines, config.loop):
            try:
                line = train_epoch(training, say, saves=saves, interruption=interruption)
            except BeginsAgain:
                if interruption.received is not None:
                    interruption.stop()
                raise
            if is_validated(line["epoch"], config):
                line |= ranks.agree(assess(training) if ranks.is_first else {})
            training.lines.append(ranks.agree(line))
            saves.epoch()
            rests_on = {"rests_on": as_facts(training_counts(training.lines[-1]))}
            say({"event": "epoch", "epochs": epochs} | training.lines[-1] | rests_on)
            for message in watch.epoch(training.lines[-1]):
                say({"event": "hint", "message": message})
            if ranks.any(interruption.received is not None):
                saves.state()
                interruption.stop()
