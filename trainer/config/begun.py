"""Settings of a run that has begun: what may change when it goes on, what was settled then, and what is refused.

Decisions a reader would question:
- A setting may change where it decides nothing of what is trained: where pixels are kept, how fast they come, when the
  state is written, what is refused or told. The new value is used and written down.
- The device is one of these: `auto` finds another one on another machine without a word. What its numbers are, the
  precision, was filled in and stays.
- Defaults change between versions. Where the user says nothing, a run that was begun with an earlier default goes on
  with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from trainer.config.config import TrainConfig
from trainer.config.settings import Settings

DECIDE_NOTHING = (
    "read_timeout_s",  # changes no image that came
    "split_folders",  # what a run that has begun is trained on is no question any more
    "max_bad_images",
    "max_cache_mb",
    "max_disk_mb",
    "cache",
    "workers",
    "loop.save_every_s",
    "loop.max_collapsed_steps",
    "loop.tensorboard",
    "loop.device",
)

_LIMITS = ("max_megapixels", "max_image_mb")
"""Settings that runs of older versions do not have: their images, which the data hash tells, say what was left out."""

_MEANT: Mapping[str, Any] = {
    "head": "trained",
    "head_classes": 0,
    "first_head": "random",
    "progressive.share": 0.0,
}
"""Settings that runs of older versions may not have, and what these runs mean by that."""

_FORMER_DEFAULTS: Mapping[str, Any] = {"loop.validate_every": 1, "dim": 64, **_MEANT}
"""Defaults of earlier versions, of settings whose default is another one by now, or open."""


def with_former(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a config.yaml, with what it meant by settings that it does not have."""
    result = dict(values)
    for key, meant in _MEANT.items():
        *groups, name = key.split(".")
        if groups:
            result[groups[0]] = {name: meant, **result.get(groups[0], {})}
        else:
            result.setdefault(name, meant)
    return result


def as_begun(config: TrainConfig, begun: TrainConfig) -> TrainConfig:
    """The settings that a run goes on with: what the user does not say is what it was by an earlier default.

    Args:
        config: as the user wrote it.
        begun: of the run folder.
    """
    if not config.augment.model_fields_set:
        config = config.model_copy(update={"augment": begun.augment})
    given, former = _flat(config), _flat(begun)
    for key, value in _FORMER_DEFAULTS.items():
        if former[key] == value and (given[key] is None or not _is_set(config, key)):
            config = _changed(config, key, value)
    return config


def first_difference(config: TrainConfig, begun: TrainConfig) -> tuple[str, Any, Any] | None:
    """(setting, its value in the run, the one that is wanted) of the first that may not differ; None where none does.

    Args:
        config: with nothing left open.
        begun: of the run folder.
    """
    former = _flat(begun)
    for key, value in _flat(config).items():
        if key in DECIDE_NOTHING or (key in _LIMITS and key not in begun.model_fields_set):
            continue
        if former[key] != value:
            return key, former[key], value
    return None


def with_changes(values: Mapping[str, Any], config: TrainConfig, begun: TrainConfig) -> dict[str, Any]:
    """What config.yaml holds by now: its values with those changed that may, and differ.

    Args:
        values: the content of config.yaml, which in runs of older versions lacks settings.
        config: with nothing left open.
        begun: made of `values`.
    """
    result = {key: dict(value) if isinstance(value, Mapping) else value for key, value in values.items()}
    former, wanted = _flat(begun), _flat(config)
    for key in DECIDE_NOTHING:
        if former[key] != wanted[key]:
            *groups, name = key.split(".")
            (result.setdefault(groups[0], {}) if groups else result)[name] = wanted[key]
    return result


def _flat(config: TrainConfig) -> dict[str, Any]:
    """`group.setting` for every setting, so that a changed one is refused by its name."""
    return dict(_pairs(config.model_dump(mode="json"), config))


def _pairs(values: Mapping[str, Any], config: TrainConfig) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(getattr(config, key), Settings):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _is_set(config: TrainConfig, key: str) -> bool:
    """Whether the user gave this setting."""
    *groups, name = key.split(".")
    return name in (getattr(config, groups[0]) if groups else config).model_fields_set


def _changed(config: TrainConfig, key: str, value: Any) -> TrainConfig:
    *groups, name = key.split(".")
    if not groups:
        return config.model_copy(update={name: value})
    group = getattr(config, groups[0]).model_copy(update={name: value})
    return config.model_copy(update={groups[0]: group})
