"""The batch of an adopted network: the first way to make it dynamic that keeps the vectors of single images.

Batches of 1, 2 and 7 of each candidate are compared with what the untouched network gave, image by image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from artifact.arrays import Vectors
from artifact.errors import ParityError
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT
from export.adoption.foreign import Foreign, first_line
from export.adoption.foreign_batch import VARIANTS
from export.adoption.foreign_graph import with_pixels
from export.adoption.original import Original, load_session

if TYPE_CHECKING:
    import onnx

BATCHES = (1, 2, 7)


@dataclass(frozen=True)
class AdoptedParity:
    """Largest |original - adopted| over batches of 1, 2 and 7, and the limit it had to keep."""

    max_abs: float
    limit: float
    batches: tuple[int, ...] = BATCHES


def with_dynamic_batch(
    original: Original, model: onnx.ModelProto, pixels: Any, vectors: Vectors, *, tolerance: float
) -> tuple[bytes, str, AdoptedParity]:
    """The artifact's graph in the first variant that keeps parity; ParityError with the reasons of all that do not."""
    import onnx

    image, spec = original.foreign.image, original.preprocessing
    reasons = []
    for name, variant in VARIANTS.items():
        if name == "one by one" and image.batch not in (None, 1):
            reasons.append(f"{name}: needs a network of batch 1")
            continue
        try:
            whole = with_pixels(
                variant(model, image, spec.height, spec.width),
                image,
                spec,
                bgr=original.bgr,
                embedding_dim=vectors.shape[1],
            )
            onnx.checker.check_model(whole)
            data = whole.SerializeToString(deterministic=True)
            return data, name, _compare(data, original.foreign, pixels, vectors, tolerance)
        except _DifferentError as error:
            if name == "declared" and (error.batch == 1 or image.batch is None):  # nothing but the opset was changed
                raise
            reasons.append(f"{name}: {error.got}")
        except Exception as error:  # a rewritten graph may be wrong in any way that onnx and onnxruntime know
            reasons.append(f"{name}: {getattr(error, 'got', None) or first_line(error)}")
    raise ParityError(
        f"the batch of {image.batch or 'N'} cannot be made dynamic",
        expected=f"batches of {', '.join(map(str, BATCHES))} to give the vectors of single images",
        got="; ".join(reasons),
        where=original.foreign.path,
        mend="export it again with a dynamic batch",
    )


class _DifferentError(ParityError):
    """It runs, and gives other vectors: for a single image, or for the same images in a batch."""

    def __init__(self, what: str, *, batch: int, **facts: Any) -> None:
        super().__init__(what, **facts)
        self.batch = batch


def _compare(data: bytes, foreign: Foreign, pixels: Any, vectors: Vectors, tolerance: float) -> AdoptedParity:
    session = load_session(data, foreign)
    limit = tolerance * float(np.abs(vectors).max())
    worst, start = 0.0, 0
    for batch in BATCHES:
        rows = slice(start, start + batch)
        start += batch
        try:
            got = session.run([BRANCH_OUTPUT], {BRANCH_INPUT: pixels[rows]})[0]
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ParityError(f"a batch of {batch} does not run", got=first_line(error)) from None
        want = vectors[rows]
        difference = float(np.abs(got - want).max()) if got.shape == want.shape else float("inf")
        if not difference <= limit:  # also catches NaN
            raise _DifferentError(
                "the vectors of the network depend on the other images of its batch"
                if batch > 1
                else f"the network does not survive the conversion from opset {foreign.opset}",
                batch=batch,
                expected=f"max |difference| <= {limit:.2g}",
                got=f"{difference:.2g} in a batch of {batch}",
                where=foreign.path,
                mend="export it in eval mode" if batch > 1 else "export it again with opset 20 or later",
            )
        worst = max(worst, difference)
    return AdoptedParity(worst, limit)
