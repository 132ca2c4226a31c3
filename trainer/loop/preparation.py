"""The preparation of a run, before anything is written: configuration resolved, network built, images read and split.

Decisions a reader would question:
- A run that goes on chooses nothing of its network again: size and pooling are what its config.yaml says.
- Turned and mirrored classes are made after the split and on the training side only: a held-out image that is found
  among its own mirror images says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from artifact.attributes import Attributes
from artifact.events import Report
from artifact.losses import Loss
from trainer.config.checks import check_idle, check_idle_sampling, check_names, told_untrained
from trainer.config.config import TrainConfig
from trainer.config.head import NONE
from trainer.config.progressive import is_usual, with_progressive
from trainer.config.rates import usual_rates
from trainer.config.resolution import choose_strategy, loss_name, resolve, resolve_settings
from trainer.config.towers import TOWER_METRICS, check_towers
from trainer.data.attribute_table import AttributeFiles, TowerRows
from trainer.data.dataset import files_of
from trainer.data.held_out import DataSplit
from trainer.data.image_files import ImageFiles
from trainer.data.image_sides import median_side
from trainer.data.images import Images
from trainer.data.notices import NoticeLog, warn
from trainer.data.tuple_table import TupleFiles, TupleRows
from trainer.data.usable_classes import check_classes, hint_at_inner_classes
from trainer.head.set_aside import set_aside, set_aside_facts
from trainer.loop.reading import encode_attributes, open_data, read_data
from trainer.networks.base_networks import BaseNetwork, build_base, make_preprocessing, source_of
from trainer.objective.mining import MINERS, losses_of_miner
from trainer.objective.own_loss import find_loss
from trainer.weights.precision import is_slow, resolve_precision

_CPU = torch.device("cpu")


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A run that is ready to be trained: all that the loop needs.

    Attributes:
        config: with nothing left open.
        loss: the one that it names; a user's own is loaded and tried out here and nowhere else.
        base: the base network, with its first weights.
        train: images to train on, turned and mirrored ones included.
        held_out: images to validate on, or None.
        set_aside: images of classes that only the head is chosen on, not turned, or None.
        tuples: over `train`, of a table of tuples; else None.
        held_out_tuples: over `held_out`, which then has no classes; None where it has, or where nothing is held out.
        data_sha256: hash over the sorted content hashes of the images, and over the tuples of a table; None where there
            are no images.
        num_images, num_classes: of the folder or table, held-out ones included; no classes where there are tuples.
        rows: attributes of `train` and `held_out`, which then have no classes; None where there is one tower.
        told: what was passed over and left out, and all warnings (trainer/data/notices.py).
    """

    config: TrainConfig
    loss: Loss
    base: BaseNetwork
    train: Images
    held_out: Images | None
    set_aside: Images | None = None
    tuples: TupleRows | None = None
    held_out_tuples: TupleRows | None = None
    rows: TowerRows | None = None
    data_sha256: str | None
    num_images: int
    num_classes: int
    told: Mapping[str, Any] = field(default_factory=dict)

    @property
    def attributes(self) -> Attributes | None:
        """Those of a run with two towers."""
        return None if self.rows is None else self.rows.attributes

    @property
    def has_classes(self) -> bool:
        """Whether the images are of classes, and neither in tuples nor with attributes."""
        return self.tuples is None and self.rows is None

    def data_facts(self) -> dict[str, Any]:
        """Hash and counts of the images, and what was left out, as facts.json has them."""
        held_out = self.held_out
        return {
            "data_sha256": self.data_sha256,
            "num_images": self.num_images,
            "num_classes": self.num_classes,
            "num_train_images": len(self.train),
            "num_train_classes": len(self.train.files.classes),
            **set_aside_facts(self.set_aside),
            "num_validation_images": len(held_out) if held_out is not None else 0,
            "num_validation_classes": len(held_out.files.classes) if held_out is not None else 0,
            **({} if self.attributes is None else {"attributes": self.attributes.to_dict()}),
            **self.told,
        }


def prepare(config: TrainConfig, *, report: Report, device: torch.device = _CPU, resuming: bool = False) -> Prepared:
    """Resolve the configuration, build the base network, read and split the images.

    Args:
        config: as the user wrote it.
        report: gets a dict per event: {"event": "read" | "warning", ...}.
        device: where training will compute; `loop.precision` follows from it.
        resuming: the run has begun, so what it trains on is no question any more (`split_folders`).

    Raises:
        UsageError: settings that make no sense, before any image is read; or a metric that is not measured.
        DataError: images that no tuple of the kind can be drawn from, or too many bad ones.
    """
    given, (config, loss) = config, settle(config)
    log = NoticeLog(report)
    report = log.report
    if not resuming:
        look_at_idle(given, loss, report=report)
    opened, validation = open_data(config, report, has_begun=resuming)
    is_tuples = isinstance(opened, TupleFiles | AttributeFiles)
    strategy = choose_strategy(given, is_tuples=is_tuples, has_classes=bool(files_of(opened).classes))
    if not resuming:
        check_idle_sampling(given, strategy=strategy)
    if not is_tuples:
        if config.is_trained:
            check_classes(files_of(opened), kind=config.kind)
        else:
            hint_at_inner_classes(files_of(opened), report=report)
    base = base_network(config, files_of(opened), fresh=not resuming)
    tell_notes(config, base, report=report)
    dataset, split = read_data(config, opened, validation, make_preprocessing(config, base), report=report)
    split, rows = encode_attributes(config, split, report=report)
    config, train, aside = set_aside(config, split)
    if config.augment.turns or config.augment.mirrors:
        train = train.with_turns(turns=config.augment.turns, mirrors=config.augment.mirrors)
    precision = resolve_precision(config.loop.precision, device)
    if is_slow(precision, device):
        warn(report, f"{precision} is slower than fp32 on this {device.type}")
    config = resolve(
        config,
        strategy=strategy,
        size=base.size,
        cut=base.cut,
        pooling=base.pooling,
        num_features=base.num_features,
        rates=usual_rates(base.family, trained=base.trained),
        num_classes=len(train.files.classes),
        metrics=_measured_metrics(split),
        precision=precision,
        validation=split.validation,
    )
    usual = is_usual(config, base.family, trained=base.trained)
    return Prepared(
        config=with_progressive(config, usual=usual, takes=base.takes),
        loss=loss,
        base=base,
        train=train,
        held_out=split.held_out,
        set_aside=aside,
        tuples=split.tuples,
        held_out_tuples=split.held_out_tuples,
        rows=rows,
        data_sha256=dataset.sha256,
        num_images=len(dataset.images),
        num_classes=len(dataset.images.files.classes),
        told=log.facts(),
    )


def tell_notes(config: TrainConfig, base: BaseNetwork, *, report: Report) -> None:
    """What is to be known of a base network before it is used; of many features only where a layer reads them."""
    for note in () if config.head == NONE else base.notes:
        warn(report, note)
    for note in () if config.is_trained else base.untrained_notes:
        warn(report, note)


def look_at_idle(given: TrainConfig, loss: Loss, *, report: Report) -> None:
    """Refuse settings that nothing looks at, and tell those of training where nothing is trained; raises UsageError.

    Of a run that begins: one of before may have such settings, and goes on with them.

    Args:
        given: as the user wrote it.
        loss: the one in use.
    """
    check_idle(given, loss=loss.name)
    if (line := told_untrained(given)) is not None:
        warn(report, line)


def settle(config: TrainConfig) -> tuple[TrainConfig, Loss]:
    """The loss of a configuration, and the settings that follow from it filled in; no image is looked at.

    Raises:
        UsageError: an unknown name, a user's loss that cannot serve as one, settings that make no sense together.
    """
    check_names(config)
    check_towers(config)
    loss = find_loss(loss_name(config))
    takers = losses_of_miner(config.mining, kind=config.kind)
    return resolve_settings(config, loss, miners=MINERS[loss.form], takers=takers), loss


def base_network(config: TrainConfig, files: ImageFiles | None, *, fresh: bool) -> BaseNetwork:
    """The base network with its first weights; what a fresh one leaves open follows from the images, if any."""
    images_px = None
    if fresh and files is not None and config.size is None and source_of(config.network).sized_by_images:
        images_px = median_side(files, config.limits, read_timeout_s=config.read_timeout_s)
    return build_base(
        config.network,
        size=config.size,
        pretrained=config.pretrained,
        weights=config.weights,
        cut=config.cut,
        pooling=config.pooling,
        fresh=fresh,
        images_px=images_px,
    )


def _measured_metrics(split: DataSplit) -> tuple[str, ...]:
    """Names of what trainer/loop/assessment.py measures after an epoch, the one to choose epochs by first."""
    if split.held_out_tuples is not None:
        return ("held_out_pct_correct",)
    if split.columns is not None:
        return TOWER_METRICS if split.held_out is not None else ()
    return ("recall@1", "mAP@R") if split.held_out is not None else ()
