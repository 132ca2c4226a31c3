"""The preparation of a run without images: a network as it is, of which nothing is trained, fitted or measured.

Decision a reader would question: it is a run like any other, of no images, and not another way to an artifact. So
export, deployment, checks and pages know nothing of it.
"""

from __future__ import annotations

import torch

from artifact.events import Report
from trainer.config.checks import data_words
from trainer.config.config import TrainConfig
from trainer.config.head import check_head
from trainer.config.rates import usual_rates
from trainer.config.resolution import resolve
from trainer.config.settings import BALANCED
from trainer.data.images import no_images
from trainer.data.notices import NoticeLog
from trainer.loop.preparation import Prepared, base_network, look_at_idle, settle, tell_notes
from trainer.networks.base_networks import make_preprocessing
from trainer.weights.precision import resolve_precision


def prepare_without_images(
    config: TrainConfig, *, report: Report, device: torch.device, resuming: bool = False
) -> Prepared:
    """Resolve the configuration and build the base network.

    Args:
        config: as the user wrote it, without images.
        report: gets {"event": "warning", ...}.
        device: `loop.precision` follows from it.
        resuming: the run has begun, so its network is as it was.

    Raises:
        UsageError: settings that make no sense together, or that need images.
    """
    given, (config, loss) = config, settle(config)
    check_head(config, images=data_words(config, is_tuples=False, has_classes=False), has_classes=False)
    log = NoticeLog(report)
    if not resuming:
        look_at_idle(given, loss, report=log.report)
    base = base_network(config, None, fresh=not resuming)
    tell_notes(config, base, report=log.report)
    config = resolve(
        config,
        strategy=BALANCED,
        size=base.size,
        cut=base.cut,
        pooling=base.pooling,
        num_features=base.num_features,
        rates=usual_rates(base.family, trained=base.trained),
        num_classes=0,
        metrics=(),
        precision=resolve_precision(config.loop.precision, device),
    )
    return Prepared(
        config=config.model_copy(update={"head_classes": 0}),
        loss=loss,
        base=base,
        train=no_images(make_preprocessing(config, base)),
        held_out=None,
        data_sha256=None,
        num_images=0,
        num_classes=0,
        told=log.facts(),
    )
