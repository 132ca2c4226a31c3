"""The side of a network's input where the user gives none: what the images have, or what its weights were made at.

Decision a reader would question: multiples of the network's stride. A side in between costs as much as the next
multiple and is padded or cut inside (convolutions), or fits no grid of patches at all (transformers).
"""

from __future__ import annotations

from collections.abc import Iterator

MIN_SIZE_PX = 16


def chosen_size(images_px: int | None, *, natural: int, step: int, trained: bool) -> int:
    """Side of the input in pixels where it was left open.

    - From trained weights: the natural size, which they were trained at. Features of smaller pictures are other ones.
    - Nothing known of the images: the natural size.
    - From random weights: the images' own size, for a larger one shows nothing more and takes its time; as the nearest
      multiple of the step, not above the natural size.

    Args:
        images_px: median of the shorter sides of a sample of the images.
        natural: what the network was made for.
        step: its stride or its patch, 1 where any side is as good as another.
        trained: whether it starts from weights that were trained.
    """
    if trained or images_px is None:
        return natural
    smallest = max(MIN_SIZE_PX, step)
    nearest = (images_px + step // 2) // step * step
    return min(max(nearest, smallest), natural)


def sizes_from(size: int, *, natural: int, step: int) -> Iterator[int]:
    """Sides to try where a network cannot take the chosen one: itself, then every multiple up to the natural size."""
    yield size
    first = (size // step + 1) * step
    yield from (side for side in range(first, natural, step))
    if size < natural:
        yield natural
