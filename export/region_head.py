"""The last layer of a region artifact, fitted in closed form to what the map says of objects.

A layer that was fitted to crops knows objects at the size of crops; in the map of a whole picture they are smaller and
have surroundings. LDA of the map's own features of labelled objects takes seconds and needs no gradient: with
EfficientNet-Lite0 it gave 79 of 100 objects of new identities their like, where the layer of the crops gave 67
(docs/decisions/0055).
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch

from artifact.arrays import Vectors
from artifact.errors import DataError, UsageError
from artifact.events import Report
from artifact.images.decoding import decoded
from artifact.images.image_error import ImageError
from artifact.images.limits import DEFAULT_LIMITS, Limits
from artifact.images.preprocessing import Preprocessing, resize_pixels
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from export.region_reference import regions_of
from export.regions import Alignment
from rows.images import ImageRef
from rows.tables import ImageTable
from trainer.config.head import LDA
from trainer.head.closed_form import fit_head
from trainer.networks.branch import FeatureBranch
from trainer.networks.regional import RegionalBranch

MOST_OBJECTS = 20_000
"""That are read: features of more say no more, and stay in memory until the fit."""
_LABEL = "label"


class FittedParts(NamedTuple):
    """A branch in two parts whose last layer was fitted, and the facts of the fit."""

    parts: RegionalBranch
    facts: dict[str, Any]


@dataclass
class _LeftOut:
    """Objects of the table that the layer is not fitted to: how many, and why the first."""

    count: int = 0
    first: str = ""

    def add(self, reason: str, number: int = 1) -> None:
        self.first = self.first or reason
        self.count += number

    def __str__(self) -> str:
        return f"{self.count:,} left out, the first for {self.first}"


def with_fitted_head(
    parts: RegionalBranch,
    table: ImageTable,
    spec: Preprocessing,
    alignment: Alignment,
    *,
    dim: int,
    limits: Limits = DEFAULT_LIMITS,
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S,
    report: Report = lambda event: None,
) -> FittedParts:
    """Fit the last layer to the objects of a table; `parts` stays as it is.

    Args:
        table: of regions, with a column `label`: their classes.
        spec: of whole pictures.
        dim: neurons of the layer.
        limits: larger pictures are left out.
        read_timeout_s: for each remote picture, in seconds.
        report: gets {"event": "warning", ...} where objects are left out.

    Raises:
        UsageError: a branch without an embedding layer.
        DataError: no labels, or objects that LDA cannot use.
    """
    if isinstance(parts.tail.branch, FeatureBranch):
        expected, mend = "a run with an embedding layer", "leave --fit out, or train with another --head"
        raise UsageError("objects to fit the last layer to", expected=expected, got="--head none", mend=mend)
    if _LABEL not in table.copied_schema.names:
        raise DataError("objects to fit to", expected="classes, in a column label", got="none", where=table.source)
    left_out = _LeftOut()
    table.allow_images(limits.max_bytes)
    found = list(_features(parts, table, spec, alignment, left_out, limits, read_timeout_s))
    if len(found) < 2:
        got = f"{len(found)}, and {left_out}" if left_out.count else str(len(found))
        raise DataError("objects to fit to", expected="two or more", got=got, where=table.source)
    if left_out.count:
        message = f"the last layer is fitted to {len(found):,} objects of {table.source}; {left_out}"
        report({"event": "warning", "message": message})
    names = {name: number for number, name in enumerate(sorted({name for name, _ in found}))}
    labels = np.array([names[name] for name, _ in found], np.int64)
    head = fit_head(np.stack([values for _, values in found]), labels, dim=dim, method=LDA)
    tail: Any = copy.deepcopy(parts.tail)
    with torch.no_grad():
        tail.branch.embedding.weight.copy_(torch.from_numpy(head.weight))
        tail.branch.embedding.bias.copy_(torch.from_numpy(head.bias))
    weights = hashlib.sha256(head.weight.tobytes() + head.bias.tobytes()).hexdigest()
    facts = {"head": LDA, "objects": len(found), "classes": len(names), "weights_sha256": weights}
    return FittedParts(replace(parts, tail=tail), facts)


def _features(
    parts: RegionalBranch,
    table: ImageTable,
    spec: Preprocessing,
    alignment: Alignment,
    left_out: _LeftOut,
    limits: Limits,
    read_timeout_s: float,
) -> Iterator[tuple[str, Vectors]]:
    """The class and the pooled features of each object; what cannot be read, or is no box, is left out and told."""
    tail: Any = parts.tail
    left = MOST_OBJECTS
    for whole, of_one in groupby(_objects(table, left_out), lambda each: each[0].whole):
        if left <= 0:
            return
        objects = list(of_one)
        try:
            with decoded(whole.read(limits.max_bytes, timeout_s=read_timeout_s), limits) as pixels:
                boxes, names = _boxes(objects, pixels.shape[1], pixels.shape[0], left_out)
                picture = np.array(resize_pixels(pixels, spec)[None])  # torch wants one that may be written to
        except ImageError as error:
            left_out.add(str(error), len(objects))
            continue
        if not names:
            continue
        with torch.no_grad():
            maps = parts.maps(torch.from_numpy(picture)).numpy()
            bins, _ = regions_of(maps, boxes[None], alignment)
            features = tail.pooling(torch.from_numpy(bins)).numpy()
        left -= len(names)
        yield from zip(names, features, strict=True)


def _objects(table: ImageTable, left_out: _LeftOut) -> Iterator[tuple[ImageRef, str]]:
    (stream,) = table.streams
    for batch in table.batches(512):
        labels = batch.copied[_LABEL].to_pylist()
        for ref, label in zip(batch.images[stream], labels, strict=True):
            if label is None:
                left_out.add("want of a label")
            else:
                yield ref, str(label)


def _boxes(
    objects: list[tuple[ImageRef, str]], width: int, height: int, left_out: _LeftOut
) -> tuple[Vectors, list[str]]:
    boxes, names = [], []
    for ref, name in objects:
        try:
            boxes.append((0.0, 0.0, 1.0, 1.0) if ref.region is None else ref.region.shares(width, height))
            names.append(name)
        except ImageError as error:
            left_out.add(str(error))
    return np.array(boxes, np.float32).reshape(-1, 4), names
