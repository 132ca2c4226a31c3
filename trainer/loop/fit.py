"""Training: a configuration in, a run folder out.

Decisions a reader would question:
- Every distinct image of a batch goes through the branch once; the streams of a kind exist as tuples of vectors only.
- Nothing is printed here. `report` gets one dict per event (`read`, `step`, `epoch`, `hint`, `warning`, `end`), and
  the command line draws them.
- Under torchrun every rank runs this function; the first one alone validates, reports and writes, and what it decides
  holds for all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from artifact.atomic import write_atomically
from artifact.errors import RunError
from artifact.events import Report
from trainer.config.config import TrainConfig
from trainer.loop.assessment import assess, embed, find_threshold, held_out_pairs, measured_metrics
from trainer.loop.distributed import Ranks, joined
from trainer.loop.epoch import train_epoch
from trainer.loop.event_log import EventLog, require_tensorboard
from trainer.loop.interruption import Interruption
from trainer.loop.preparation import Prepared, prepare
from trainer.loop.run_report import report_run
from trainer.loop.training import Training, make_training
from trainer.run.checkpoint import Position, load_state, save_checkpoint, save_state
from trainer.run.facts import final_facts, first_facts
from trainer.run.folder import (
    CHECKPOINT,
    METRICS,
    STATE,
    Run,
    check_output,
    create_run,
    load_run,
    load_weights,
    read_config,
    read_facts,
    write_facts,
)
from trainer.watch.hints import Watch
from trainer.watch.selection import is_kept, is_out_of_patience, kept_line, resolve_selection
from trainer.weights.precision import is_slow, resolve_precision


def fit(
    config: TrainConfig,
    output: Path,
    *,
    report: Report | None = None,
    resume: bool = False,
    before: Callable[[TrainConfig], None] | None = None,
) -> Run:
    """Train a branch and write its run folder.

    Args:
        config: what to train; see TrainConfig.
        output: the run folder, new or empty; with `resume`, that of an unfinished run.
        report: called with a dict per event: {"event": "step" | "epoch" | "warning" | ..., ...}.
        resume: continue where the state in `output` stands (or from the start where there is none yet);
            configuration and images must be the same.
        before: called with the resolved configuration before anything is written; what it raises ends the call.

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
    with joined(config.loop.device) as ranks:
        say: Report = report if report is not None and ranks.is_first else lambda event: None
        if not resume:
            ranks.first(lambda: check_output(output))
        if config.loop.tensorboard:
            require_tensorboard()  # before any image is read
        with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
            torch.manual_seed(config.seed)
            prepared = _prepare(config, ranks, say)
            if before is not None:
                ranks.first(partial(before, prepared.config))
            training = make_training(prepared, ranks, output)
            if resume:
                _resume(output, training)
            else:
                ranks.first(lambda: create_run(output, prepared.config, first_facts(prepared)))
            with _log(training, say) as log:
                _train(training, output, log)
        ranks.first(lambda: _finish(training, output, say, started))
    return load_run(output)


def _prepare(config: TrainConfig, ranks: Ranks, say: Report) -> Prepared:
    """Data, network, and what of the configuration follows from them and from the device."""
    prepared = prepare(config, report=say)
    precision = resolve_precision(config.loop.precision, ranks.device)
    if is_slow(precision, ranks.device):
        say({"event": "warning", "message": f"{precision} is slower than fp32 on this {ranks.device.type}"})
    loop = resolve_selection(prepared.config.loop, measured_metrics(prepared))
    loop = loop.model_copy(update={"precision": precision})
    return replace(prepared, config=prepared.config.model_copy(update={"loop": loop}))


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
    config, ranks = training.config, training.ranks
    save, watch = partial(_save, training, output), Watch(config, training.lines)
    with Interruption() as interruption:
        while training.position.epoch < config.epochs and not is_out_of_patience(training.lines, config.loop):
            line = train_epoch(training, say, save=save, interruption=interruption)
            is_last = line["epoch"] == config.epochs
            if is_last or line["epoch"] % config.loop.validate_every == 0:
                line |= ranks.agree(assess(training) if ranks.is_first else {})
            training.lines.append(ranks.agree(line))
            if ranks.is_first:
                # the state comes last: whatever was written before it is written again by a resumed run
                write_atomically(output / METRICS, "".join(json.dumps(x) + "\n" for x in training.lines).encode())
                if is_kept(training.lines, config.loop):
                    save_checkpoint(output, training.kept_branch)
            save()
            say({"event": "epoch", "epochs": config.epochs} | training.lines[-1])
            for message in watch.epoch(training.lines[-1]):
                say({"event": "hint", "message": message})
            if ranks.any(interruption.received is not None):
                interruption.stop()


def _save(training: Training, output: Path) -> None:
    if training.ranks.is_first:
        save_state(output, training.branch, training.optimizer, training.average, training.position)


def _finish(training: Training, output: Path, say: Report, started: float) -> None:
    """Threshold, report and facts of the weights that were kept; then the state is not needed any more."""
    load_weights(training.branch, output / CHECKPOINT)
    held_out = training.prepared.held_out
    vectors = None if held_out is None else embed(training.branch, held_out)
    pairs = held_out_pairs(training, vectors)
    threshold = find_threshold(pairs)
    metrics = kept_line(training.lines, training.config.loop)
    facts = read_facts(output) | final_facts(metrics, threshold=threshold, seconds=time.monotonic() - started)
    report_run(training, facts, vectors, pairs, say)
    write_facts(output, facts)
    (output / STATE).unlink()
    say({"event": "end", "seconds": facts["seconds"], "threshold": threshold})


def _resume(output: Path, training: Training) -> None:
    """Put a run back where its state stands."""
    _check_resume(output, training.prepared)
    if (output / STATE).is_file():
        position = load_state(output, training.branch, training.optimizer, training.average)
        training.scaler.load_state_dict(position.scaler)
        training.position, training.lines = position, _metrics_until(output, position.epoch)
    else:
        training.position = Position()


def _check_resume(output: Path, prepared: Prepared) -> None:
    """Refuse to continue what is not there, is finished, or was something else; no epoch need be finished yet."""
    if not output.is_dir():
        raise RunError("run to resume", expected="an unfinished run", got="nothing there", where=output)
    facts = read_facts(output)
    if "end_time" in facts:
        raise RunError("run to resume", expected="an unfinished run", got="a finished run", where=output)
    saved, wanted = (_flat(config.model_dump(mode="json")) for config in (read_config(output), prepared.config))
    for key, value in wanted.items():
        if saved[key] != value:
            mend = "resume with the same settings, or train into another folder"
            raise RunError(
                f"{key} of the run to resume", expected=str(saved[key]), got=str(value), where=output, mend=mend
            )
    if facts["data_sha256"] != prepared.data_sha256:
        mend = "train into another folder"
        raise RunError("images of the run to resume", expected="unchanged", got="changed", where=output, mend=mend)


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """`group.setting` for every setting, so that a changed one is refused by its name."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= {f"{key}.{name}": inner for name, inner in value.items()} if isinstance(value, dict) else {key: value}
    return flat


def _metrics_until(output: Path, epoch: int) -> list[dict[str, Any]]:
    """The lines of the finished epochs; one of an epoch whose state was not written any more is left out."""
    file = output / METRICS
    try:
        lines = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
        kept = [line for line in lines if line["epoch"] <= epoch]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError("metrics of the run to resume", expected="JSON lines", got=str(error), where=file) from None
    if len(kept) != epoch:
        raise RunError("metrics of the run to resume", expected=f"{epoch} epochs", got=str(len(kept)), where=file)
    return kept
