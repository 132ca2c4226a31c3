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

from artifact.arrays import AnyArray
from artifact.distances import DISTANCES
from artifact.errors import ParityError
from artifact.images.cores import available_cores
from artifact.images.preprocessing import Preprocessing
from artifact.kinds import ATTRIBUTES, BRANCH_OUTPUT, KINDS, distance_name, embedding_name
from artifact.modes import BRANCH, FULL, OF_ATTRIBUTES, TOWER_STREAMS, TOWERS, image_names
from export.precision import FP32, PRECISIONS, Precision
from serving.probe import BATCHES, plain_pixels, probe_pixels, probe_rows

EmbedTensors = Callable[[Tensor], Tensor]
"""Pixels, uint8 [N, H, W, 3], or rows of attributes, float32 [N, A], to vectors, float32 [N, n]; a network of torch, or
anything that does the same."""

Feeds = dict[str, AnyArray]
"""Pixels or rows of attributes by the name of their input."""

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
    tower: EmbedTensors | None = None,
    num_columns: int = 0,
) -> Parity:
    """Compare the branch with the exported model on random pictures (serving/probe.py).

    Args:
        branch: what gives the vectors to reach; of int8 the branch graph itself.
        model: a serialised graph of that mode.
        tower: what gives the vectors of rows of attributes, float32 [N, A], where the mode takes such.
        num_columns: A.

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
        feeds: Feeds = {name: probe_pixels(random, size, height, width) for name in image_names(kind, mode)}
        if mode in OF_ATTRIBUTES:
            feeds[ATTRIBUTES] = probe_rows(random, size, num_columns)
        expected = reference_outputs(branch, feeds, kind=kind, mode=mode, distance=distance, tower=tower)
        try:
            got = dict(zip(expected, session.run(list(expected), feeds), strict=True))
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ParityError(f"the exported graph does not run on a batch of {size}", got=str(error)) from None
        if mode == FULL and not exactness.is_exact:
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
    if mode in OF_ATTRIBUTES:
        feeds[ATTRIBUTES] = np.zeros((len(plain), num_columns), np.float32)
    expected = reference_outputs(branch, feeds, kind=kind, mode=mode, distance=distance, tower=tower)
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
    branch: EmbedTensors,
    feeds: Feeds,
    *,
    kind: str,
    mode: str,
    distance: str,
    tower: EmbedTensors | None = None,
) -> Arrays:
    """What the artifact must give: torch for the vectors, numpy for the distances."""
    vectors = {}
    with torch.no_grad():
        for name, array in feeds.items():
            network = tower if name == ATTRIBUTES else branch
            assert network is not None
            vectors[name] = network(torch.from_numpy(array)).numpy()
    if mode in (BRANCH, ATTRIBUTES):
        return {BRANCH_OUTPUT: next(iter(vectors.values()))}
    outputs = {embedding_name(stream): vector for stream, vector in vectors.items()}
    for a, b in (TOWER_STREAMS,) if mode == TOWERS else KINDS[kind].pairs:
        outputs[distance_name((a, b))] = DISTANCES[distance](vectors[a], vectors[b])[:, None]
    return outputs


def make_session(model: bytes) -> onnxruntime.InferenceSession:
    """A session on the CPU that only raises, and writes no warnings."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
