"""The precisions of a graph, and how far each may be from the trained network.

Decision a reader would question: another precision of one run is another space. Its vectors are near, but a threshold
or an index of the one is not the other's, so nothing lets them be mixed by accident; for the same reason its default
name is another model's (NAME_int8), not a version of NAME. Who wants it as a version gives the name.
"""

from __future__ import annotations

from dataclasses import dataclass

FP32, FP16, INT8 = "fp32", "fp16", "int8"


@dataclass(frozen=True)
class Precision:
    """The exactness of a precision.

    Attributes:
        parity: largest |difference| over the largest |value| at export; of int8 between its own branch and full graph
            and between batch sizes, where the gates look at the distance from the trained network.
        golden: the same between the exporting machine and any other: kernels of other processors round differently.
        is_exact: values below 1 are compared as if they were 1.
    """

    parity: float
    golden: float
    is_exact: bool = False


PRECISIONS: dict[str, Precision] = {
    FP32: Precision(parity=1e-4, golden=1e-3, is_exact=True),
    FP16: Precision(parity=5e-3, golden=1e-2),
    INT8: Precision(parity=5e-2, golden=5e-2),
}


def precision_suffix(precision: str) -> str:
    """What a precision adds to a model's default name."""
    return "" if precision == FP32 else f"_{precision}"


def scaled_tolerance(tolerance: float, largest: float, *, is_exact: bool) -> float:
    """The tolerance that, times max(1, largest |value|), allows what the precision may be off by."""
    return tolerance if is_exact else tolerance * min(1.0, largest)
