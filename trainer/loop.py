"""Training: a configuration in, a run folder out.

Decisions a reader would question:
- Every distinct image of a batch goes through the branch once; the streams of a kind exist in the mined tuples only.
- Nothing is printed here. `report` gets one dict per event (`read`, `step`, `epoch`, `warning`, `end`), and the command
  line draws them.
- Everything random is a function of (seed, epoch), see trainer/checkpoint.py; the caller's generators are not touched.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from artifact.atomic import write_atomically
from artifact.errors import RunError, TrainingError
from artifact.preprocessing import Pixels
from trainer.augment import augment
from trainer.branch import Branch
from trainer.checkpoint import load_state, save_checkpoint
from trainer.config import TrainConfig
from trainer.facts import final_facts, first_facts
from trainer.image_folder import Indices
from trainer.images import Images
from trainer.objective import Objective
from trainer.optimizers import learning_rate, make_optimizer, set_learning_rate
from trainer.preparation import Prepared, Report, prepare
from trainer.run import (
    METRICS,
    STATE,
    Run,
    check_output,
    create_run,
    load_run,
    make_branch,
    read_config,
    read_facts,
    write_facts,
)
from trainer.sampling import batches, num_batches
from trainer.validation import find_threshold, validate

_COLLAPSED = 1e-3
"""A mean distance below this share of the margin is one point for every image, not a small embedding."""


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
        resume: continue after the last finished epoch of `output` (or from the start where none is finished);
            configuration and images must be the same.
        before: called with the resolved configuration before anything is written; what it raises ends the call.

    Returns:
        The finished run, as `load_run` reads it.

    Raises:
        UsageError, DataError, OutputError: before anything is written.
        TrainingError: a loss that is not finite; the last finished epoch's checkpoint stays.
        RunError: nothing to resume, or a run of another configuration or other images.
    """
    started = time.monotonic()
    say = report or (lambda event: None)
    output = Path(output)
    if not resume:
        check_output(output)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(config.seed)
        prepared = prepare(config, report=say)
        if before is not None:
            before(prepared.config)
        branch = make_branch(prepared.config, prepared.base)
        branch.to("cuda" if torch.cuda.is_available() else "cpu")
        branch.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's stub lacks it
        optimizer = make_optimizer(branch, prepared.config.optimizer)
        if resume:
            _check_resume(output, prepared)
            first_epoch = load_state(output, branch, optimizer) if (output / STATE).is_file() else 0
            lines = _metrics_until(output, first_epoch)
        else:
            first_epoch, lines = 0, []
            create_run(output, prepared.config, first_facts(prepared))
        for epoch in range(first_epoch, prepared.config.epochs):
            lines.append(_epoch(prepared, branch, optimizer, epoch, say))
            # the state comes last: whatever was written before it is written again by a resumed run
            write_atomically(output / METRICS, "".join(json.dumps(line) + "\n" for line in lines).encode())
            save_checkpoint(output, branch, optimizer, epoch=epoch + 1)
            say({"event": "epoch", "epochs": prepared.config.epochs} | lines[-1])
    threshold = None
    if prepared.held_out is not None:
        distance, seed = prepared.config.distance, prepared.config.seed
        threshold = find_threshold(branch, prepared.held_out, distance=distance, seed=seed)
    seconds = time.monotonic() - started
    write_facts(output, read_facts(output) | final_facts(lines[-1], threshold=threshold, seconds=seconds))
    (output / STATE).unlink()
    say({"event": "end", "seconds": seconds, "threshold": threshold})
    return load_run(output)


def _epoch(
    prepared: Prepared, branch: Branch, optimizer: torch.optim.Optimizer, epoch: int, say: Report
) -> dict[str, Any]:
    """Train one epoch and validate; the line for metrics.jsonl."""
    config, train = prepared.config, prepared.train
    objective = Objective(
        loss=str(config.loss), distance=config.distance, mining=str(config.mining), margin=float(config.margin or 0),
        margin2=float(config.margin2 or 0),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(_epoch_seed(config.seed, epoch))
    torch.manual_seed(_epoch_seed(config.seed, epoch))  # for base networks that drop units or paths
    device = branch.scale.device
    labels = torch.from_numpy(train.labels).to(device)
    per_epoch = steps_per_epoch(config, train)
    totals = np.zeros(4)
    num_images, started = 0, time.monotonic()
    distance = math.nan
    branch.train()
    for position, (rows, pixels) in enumerate(_ahead(train, _batches(config, train, epoch))):
        step = epoch * per_epoch + position
        images = augment(torch.from_numpy(pixels).to(device), config.augment, generator=generator)
        set_learning_rate(optimizer, learning_rate(step, config.epochs * per_epoch, config.optimizer))
        outcome = objective(branch(images), labels[torch.from_numpy(rows).to(device)])
        loss = float(outcome.loss.detach())
        if not math.isfinite(loss):
            _refuse_loss(loss, step, config)
        optimizer.zero_grad(set_to_none=True)
        outcome.loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        num_images += len(rows)
        active = float(outcome.num_active) / max(1, outcome.num_tuples)
        totals += np.nan_to_num([loss, 100 * active, 100 * float(outcome.share_correct), 1.0])
        distance = float(outcome.mean_distance)
        speed = num_images / max(1e-9, time.monotonic() - started)
        shown = _means(totals) | {"images_per_s": round(speed, 1)}
        say({"event": "step", "epoch": epoch + 1, "step": step + 1, "steps": config.epochs * per_epoch} | shown)
    line = {"epoch": epoch + 1, "step": (epoch + 1) * per_epoch} | shown
    if prepared.held_out is not None:
        line |= validate(branch, prepared.held_out, distance=config.distance)
    if distance < _COLLAPSED * (config.margin or 1.0):
        say({"event": "warning", "message": _collapse_message(config)})
    return line


def steps_per_epoch(config: TrainConfig, train: Images) -> int:
    """Batches of one epoch."""
    shape = config.sampling
    if shape.batches_per_epoch is not None:
        return shape.batches_per_epoch
    classes, per_class = int(shape.classes_per_batch or 2), int(shape.images_per_class or 2)
    return num_batches(train.labels, classes_per_batch=classes, images_per_class=per_class)


def _batches(config: TrainConfig, train: Images, epoch: int) -> Iterator[Indices]:
    shape = config.sampling
    return batches(
        train.labels, classes_per_batch=int(shape.classes_per_batch or 2),
        images_per_class=int(shape.images_per_class or 2), seed=config.seed, epoch=epoch,
        batches_per_epoch=shape.batches_per_epoch,
    )  # fmt: skip


def _ahead(images: Images, batch_rows: Iterator[Indices]) -> Iterator[tuple[Indices, Pixels]]:
    """Pixels of each batch, fetched in a thread while the batch before it is trained on."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        waiting = None
        for rows in batch_rows:
            coming = rows, pool.submit(images.pixels, rows)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = coming
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def _means(totals: np.ndarray[Any, Any]) -> dict[str, float]:
    loss, active, correct = totals[:3] / totals[3]
    return {"loss": float(loss), "pct_active": round(float(active), 2), "pct_correct": round(float(correct), 2)}


def _epoch_seed(seed: int, epoch: int) -> int:
    return int(np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0] >> 1)


def _refuse_loss(loss: float, step: int, config: TrainConfig) -> None:
    rate = config.optimizer.learning_rate
    raise TrainingError(
        f"loss at step {step + 1}", expected="a finite number", got=str(loss),
        mend=f"lower the learning rate (--set optimizer.learning_rate={rate / 10:g}), or use --normalize",
    )  # fmt: skip


def _collapse_message(config: TrainConfig) -> str:
    ways = ["--set optimizer.learning_rate=" + f"{config.optimizer.learning_rate / 10:g}"]
    ways += ["--mining all"] if config.mining != "all" else []
    ways += ["--distance euclidean"] if config.distance == "squared_euclidean" else []
    return f"collapse: all images are at one point, so the loss stays at the margin; try {' or '.join(ways)}"


def _check_resume(output: Path, prepared: Prepared) -> None:
    """Refuse to continue what is not there, is finished, or was something else; no epoch need be finished yet."""
    if not output.is_dir():
        raise RunError("run to resume", expected="an unfinished run", got="nothing there", where=output)
    facts = read_facts(output)
    if "end_time" in facts:
        raise RunError("run to resume", expected="an unfinished run", got="a finished run", where=output)
    saved, wanted = read_config(output).model_dump(mode="json"), prepared.config.model_dump(mode="json")
    for key, value in wanted.items():
        if saved[key] != value:
            mend = "resume with the same settings, or train into another folder"
            raise RunError(f"{key} of the run to resume", expected=str(saved[key]), got=str(value), where=output,
                           mend=mend)  # fmt: skip
    if facts["data_sha256"] != prepared.data_sha256:
        mend = "train into another folder"
        raise RunError("images of the run to resume", expected="unchanged", got="changed", where=output, mend=mend)


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
