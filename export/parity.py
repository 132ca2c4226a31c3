"""Parity: the exported graph must give the trained network's vectors before anything is published.

The reference is torch, one stream at a time, and numpy for the distances: not the code that was exported for the full
graph. Batches of 1, 2 and 7 catch a batch size that the exporter fixed. A graph of lower precision has a limit of its
own; its distances are then compared with those of its own vectors, because near 0 they magnify any error of a vector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from torch import Tensor

from artifact.distances import DISTANCES
from artifact.errors import ParityError
from artifact.images.cores import available_cores
from artifact.images.preprocessing import Preprocessing
from artifact.kinds import BRANCH_OUTPUT, KINDS, distance_name, embedding_name
from artifact.modes import BRANCH, image_names
from export.precision import FP32, PRECISIONS, Precision
from serving.probe import BATCHES, plain_pixels, probe_pixels

EmbedTensors = Callable[[Tensor], Tensor]
"""uint8 [N, H, W, 3] -> float32 [N, n]; a network of torch, or anything that does the same."""

Arrays = dict[str, npt.NDArray[np.float32]]
"""Vectors and distances by the name of their output."""


@dataclass(frozen=True)
class Parity:
    """Largest |reference - onnxruntime| over all outputs and batches, and the limit it had to keep."""

    max_abs: float
    limit: float
    batches: tuple[int, ...] = BATCHES


def check_parity(
    branch: EmbedTensors,
    model: bytes,
    *,
    kind: str,
    mode: str,
    distance: str,
    preprocessing: Preprocessing,
    precision: str = FP32,
) -> Parity:
    """Compare the branch with the exported model on random pictures (serving/probe.py).

    Args:
        branch: what gives the vectors to reach; of int8 the branch graph itself.
        model: a serialised graph of that mode.

    Raises:
        ParityError: a difference over the precision's tolerance times the largest |value| (fp32: times at least 1),
            or a batch size that does not run.
    """
    session = make_session(model)
    exactness = PRECISIONS[precision]
    random = np.random.default_rng(0)
    worst = limit = 0.0
    for size in BATCHES:
        height, width = preprocessing.height, preprocessing.width
        feeds = {name: probe_pixels(random, size, height, width) for name in image_names(kind, mode)}
        expected = reference_outputs(branch, feeds, kind=kind, mode=mode, distance=distance)
        try:
            got = dict(zip(expected, session.run(list(expected), feeds), strict=True))
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ParityError(f"the exported graph does not run on a batch of {size}", got=str(error)) from None
        if mode != BRANCH and not exactness.is_exact:
            expected |= _own_distances(got, kind=kind, distance=distance)
        for name, want in expected.items():
            difference = float(np.abs(got[name] - want).max()) if got[name].shape == want.shape else float("inf")
            allowed = _allowed(name, want, exactness)
            if not difference <= allowed:  # also catches NaN
                raise ParityError(
                    f"torch and onnxruntime differ in {name!r} on a batch of {size}",
                    expected=f"max |difference| <= {allowed:.2g}",
                    got=f"{difference:.2g}",
                    mend="nothing was published; please report the base network",
                )
            worst, limit = max(worst, difference), max(limit, allowed)
    plain = plain_pixels(preprocessing.height, preprocessing.width)
    feeds = dict.fromkeys(image_names(kind, mode), plain)
    expected = reference_outputs(branch, feeds, kind=kind, mode=mode, distance=distance)
    _require_as_finite(dict(zip(expected, session.run(list(expected), feeds), strict=True)), expected, precision)
    return Parity(worst, limit)


def _require_as_finite(got: Arrays, expected: Arrays, precision: str) -> None:
    """Raise ParityError if the graph has no finite number where the network has one, on any plain picture."""
    for name, want in expected.items():
        lost = np.isfinite(want) & ~np.isfinite(got[name])
        if lost.any():
            picture = ("white", "black", "grey", "noisy")[int(np.flatnonzero(lost.any(axis=1))[0])]
            raise ParityError(
                f"{precision} output {name!r} of a {picture} picture",
                expected="finite numbers, as the network gives",
                got=f"NaN or infinity in {int(lost.sum())} of {lost.size} numbers",
                mend=f"nothing was published; {precision} has too small a range for this network: keep fp32",
            )


def _allowed(name: str, want: npt.NDArray[np.float32], exactness: Precision) -> float:
    largest = float(np.abs(want).max())
    if exactness.is_exact or not name.startswith(BRANCH_OUTPUT):  # a distance follows from the vectors exactly
        return PRECISIONS[FP32].parity * max(1.0, largest)
    return exactness.parity * largest


def _own_distances(got: Arrays, *, kind: str, distance: str) -> Arrays:
    """Distances of the vectors that the graph itself gave."""
    return {
        distance_name((a, b)): DISTANCES[distance](got[embedding_name(a)], got[embedding_name(b)])[:, None]
        for a, b in KINDS[kind].pairs
    }


def reference_outputs(
    branch: EmbedTensors, feeds: dict[str, npt.NDArray[np.uint8]], *, kind: str, mode: str, distance: str
) -> Arrays:
    """What the artifact must give: torch for the vectors, numpy for the distances."""
    with torch.no_grad():
        vectors = {name: branch(torch.from_numpy(pixels)).numpy() for name, pixels in feeds.items()}
    if mode == BRANCH:
        return {BRANCH_OUTPUT: next(iter(vectors.values()))}
    outputs = {embedding_name(stream): vector for stream, vector in vectors.items()}
    for a, b in KINDS[kind].pairs:
        outputs[distance_name((a, b))] = DISTANCES[distance](vectors[a], vectors[b])[:, None]
    return outputs


def make_session(model: bytes) -> onnxruntime.InferenceSession:
    """A session on the CPU that only raises, and writes no warnings."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
