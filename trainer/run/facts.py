"""What a run and every artifact exported from it say about how it was trained."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from trainer.loop.preparation import Prepared

_LIBRARIES = ("lookalike", "torch", "timm", "numpy", "safetensors", "pillow", "simplejpeg", "cykooz-resizer")


def first_facts(prepared: Prepared) -> dict[str, Any]:
    """Known before the first step: data, counts, seed, base network, versions."""
    held_out = prepared.held_out
    return {
        "data_sha256": prepared.data_sha256,
        "num_images": prepared.num_images,
        "num_classes": prepared.num_classes,
        "num_train_images": len(prepared.train),
        "num_train_classes": len(prepared.train.files.classes),
        "num_validation_images": len(held_out) if held_out is not None else 0,
        "num_validation_classes": len(held_out.files.classes) if held_out is not None else 0,
        "seed": prepared.config.seed,
        "base": prepared.base.to_dict(),
        "versions": library_versions(),
    }


def final_facts(
    last_epoch: Mapping[str, Any], *, threshold: Mapping[str, Any] | None, seconds: float
) -> dict[str, Any]:
    """Known after the last step: metrics of the last epoch, threshold, time."""
    return {
        "metrics": dict(last_epoch),
        "threshold": dict(threshold) if threshold is not None else None,
        "end_time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
    }


def library_versions() -> dict[str, str]:
    """{library: version} of those installed, and Python's own."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # run from a checkout that is not installed
            continue
    return versions
