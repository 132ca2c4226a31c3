"""Training classes set aside from training, so that a head can be chosen on images that no gradient has seen.

They are taken from the training side by content and seed, as held-out classes are. The final head is fitted on them
too.
"""

from __future__ import annotations

from trainer.config.config import TrainConfig
from trainer.config.head import num_head_classes
from trainer.data.held_out import DataSplit
from trainer.data.images import Images
from trainer.data.split import split_classes


def set_aside(config: TrainConfig, split: DataSplit) -> tuple[TrainConfig, Images, Images | None]:
    """The configuration with its number of classes filled in, the images to train on, and those set aside, if any.

    Raises:
        UsageError: more classes asked for than training can spare.
    """
    train = split.train
    num_classes, is_tuples = len(train.files.classes), split.tuples is not None
    count = num_head_classes(config, num_classes=num_classes, is_tuples=is_tuples)
    config = config.model_copy(update={"head_classes": count})
    if not count:
        return config, train, None
    rows, aside = split_classes(train, count / num_classes, seed=config.seed, min_train=num_classes - count)
    return config, train.take(rows), train.take(aside)


def set_aside_facts(images: Images | None) -> dict[str, int]:
    """Their numbers, as facts.json has them; empty where there are none."""
    if images is None:
        return {}
    return {"num_set_aside_images": len(images), "num_set_aside_classes": len(images.files.classes)}
