"""A batch of regions for a region artifact: each picture is read, sent and run once, with all boxes of the batch in it.

Decisions a reader would question:
- A picture's boxes are padded with NaN to one of a few numbers, so that requests to a server are of few shapes: only
  those of one shape run together there. Padding costs no work worth naming: an empty box has no samples.
- A box that is none is a bad row by itself; its picture and the others in it are run all the same.
- A mask says nothing here: the map knows rectangles only.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from artifact.arrays import AnyArray, Vectors
from artifact.images.decoding import Pixels, decoded
from artifact.images.image_error import ImageError
from artifact.images.jpeg_segments import read_header
from artifact.images.limits import Limits
from artifact.images.preprocessing import resize_pixels
from artifact.images.region import Region
from artifact.kinds import BRANCH_OUTPUT
from artifact.modes import BOXES
from rows.images import ImageRef
from serving.client.batches.runner import BatchRunner
from serving.client.pictures import read_encoded
from serving.client.thumbnailing import Thumbnailing
from serving.forks import unforked

NUMBERS_OF_BOXES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64)
"""R of a request is one of these; a picture with more boxes than the last is sent again with the others."""
MOST_BOXES = NUMBERS_OF_BOXES[-1]
_WHOLE = (0.0, 0.0, 1.0, 1.0)
_TURNED = (5, 6, 7, 8)
"""Orientations that change width and height."""


@dataclass(frozen=True)
class _Sight:
    """One picture, its bytes read where that was possible, and the regions of the batch in it."""

    picture: ImageRef
    regions: tuple[Region | None, ...]
    thumbnailing: Thumbnailing | None
    places: tuple[int, ...]


@dataclass(frozen=True)
class _Seen:
    """A picture ready to be sent, with a box for each region: shares, or why it is none."""

    image: Any
    boxes: tuple[tuple[float, float, float, float] | ImageError, ...]


class RegionRunner(BatchRunner):
    """The way of a batch of regions through the connection; a picture without a region is a box of all of it."""

    def run(self, pictures: list[ImageRef], thumbnailing: Thumbnailing | None = None) -> list[Vectors | ImageError]:
        """The vector of each region, or why there is none; see BatchRunner."""
        groups = list(_groups(pictures))
        fetched = self._reader.fetch([pictures[places[0]].whole for places in groups])
        sights = [
            each
            if isinstance(each, ImageError)
            else _Sight(each, tuple(pictures[place].region for place in places), thumbnailing, places)
            for places, each in zip(groups, fetched, strict=True)
        ]
        with self._turn, unforked():
            answers: list[Any] = self._send(sights, None)
        results: list[Vectors | ImageError] = [ImageError("not run")] * len(pictures)
        for places, answer in zip(groups, answers, strict=True):
            for number, place in enumerate(places):
                results[place] = answer if isinstance(answer, ImageError) else answer[number]
        return results

    def num_inputs(self, pictures: Sequence[ImageRef]) -> int:
        """Distinct pictures; one with very many boxes counts as often as it is sent."""
        return len(_groups(pictures))

    def end_of_batch(self, pictures: Sequence[ImageRef], start: int, num_inputs: int) -> int:
        """The place behind the regions, from `start` on, that lie in so many pictures."""
        counts: dict[Hashable, int] = {}
        num_rows = 0
        for place in range(start, len(pictures)):
            key = _key(pictures[place])
            counts[key] = counts.get(key, 0) + 1
            num_rows += counts[key] % MOST_BOXES == 1
            if num_rows > num_inputs:
                return place
        return len(pictures)

    def _sources(self, pictures: list[Any], thumbnailing: Thumbnailing | None) -> Iterable[Any]:
        return pictures

    def _pixels(self, thumbnailing: Thumbnailing | None, place: int, sight: Any) -> Any:
        with _whole(sight.picture, self._limits) as whole:
            _keep_thumbnails(sight, whole, self._limits)
            shares = _shares(sight.regions, whole.shape[1], whole.shape[0])
            return _Seen(resize_pixels(whole, self._connection.manifest.pixels), shares)

    def _encoded(self, thumbnailing: Thumbnailing | None, place: int, sight: Any) -> Any:
        data = read_encoded(sight.picture, self._limits)
        if sight.thumbnailing is not None:
            with _whole(ImageRef(data=data), self._limits) as whole:
                _keep_thumbnails(sight, whole, self._limits)
        is_whole = all(region is None for region in sight.regions)
        width, height = (1, 1) if is_whole else _upright_size(data, self._limits)
        return _Seen(data, _shares(sight.regions, width, height))

    def _image_of(self, item: Any) -> Any:
        return item.image

    def _others(self, items: Sequence[Any]) -> dict[str, Any]:
        return {BOXES: padded_boxes([item.boxes for item in items])}

    def _answers(self, outputs: Mapping[str, Vectors], items: Sequence[Any]) -> Sequence[Any]:
        answers = []
        for item, vectors in zip(items, outputs[BRANCH_OUTPUT], strict=True):
            kept = self._kept(vectors[: len(item.boxes)])
            answers.append(
                [box if isinstance(box, ImageError) else vector for box, vector in zip(item.boxes, kept, strict=True)]
            )
        return answers


def padded_boxes(rows: Sequence[Sequence[Any]]) -> AnyArray:
    """float32 [N, R, 4] of rows of boxes: R of the longest, made up to one of NUMBERS_OF_BOXES; NaN for none."""
    longest = max(map(len, rows))
    length = next(number for number in NUMBERS_OF_BOXES if number >= longest)
    boxes = np.full((len(rows), length, 4), np.nan, np.float32)
    for row, given in enumerate(rows):
        for column, box in enumerate(given):
            if not isinstance(box, ImageError):
                boxes[row, column] = box
    return boxes


def _groups(pictures: Sequence[ImageRef]) -> list[tuple[int, ...]]:
    """Places of the regions of each picture, at most MOST_BOXES at a time, by the first of them."""
    groups: list[list[int]] = []
    open_group: dict[Hashable, list[int]] = {}
    for place, picture in enumerate(pictures):
        key = _key(picture)
        group = open_group.get(key)
        if group is None or len(group) == MOST_BOXES:
            group = open_group[key] = []
            groups.append(group)
        group.append(place)
    return [tuple(group) for group in groups]


def _key(picture: ImageRef) -> Hashable:
    """Equal for regions of one picture."""
    return picture.path, picture.span, picture.digest, picture.data, picture.fault


def _shares(regions: Sequence[Region | None], width: int, height: int) -> tuple[Any, ...]:
    shares: list[Any] = []
    for region in regions:
        try:
            shares.append(_WHOLE if region is None else region.shares(width, height))
        except ImageError as error:
            shares.append(error)
    return tuple(shares)


def _upright_size(data: bytes, limits: Limits) -> tuple[int, int]:
    """Width and height of a picture as it is decoded: of a JPEG from its header, of others by decoding it."""
    if data[:2] == b"\xff\xd8":
        try:
            header = read_header(data)
        except Exception:  # then decoding says what is wrong with it
            pass
        else:
            sides = header.width, header.height
            return sides[::-1] if header.orientation in _TURNED else sides
    with decoded(data, limits) as pixels:
        return pixels.shape[1], pixels.shape[0]


@contextmanager
def _whole(picture: ImageRef, limits: Limits) -> Iterator[Pixels]:
    """The pixels of a picture, uint8 [h, w, 3], which are counted as in flight while it is decoded here."""
    if picture.pixels is not None:
        yield np.ascontiguousarray(picture.pixels)
        return
    with decoded(picture.read(limits.max_bytes), limits) as pixels:
        yield pixels


def _keep_thumbnails(sight: _Sight, whole: Pixels, limits: Limits) -> None:
    """Those of the regions, as of their crops; none of what is no box."""
    if sight.thumbnailing is None:
        return
    for place, region in zip(sight.places, sight.regions, strict=True):
        with suppress(ImageError):
            crop = whole if region is None else region.crop(whole)
            sight.thumbnailing.encoded(place, ImageRef.of_pixels(crop), b"", limits)
