"""The scheme of int8 graphs: how large a weight may be, and the note on artifacts from before that was bounded.

Decision a reader would question: weights use 7 of their 8 bits. An x86 processor without VNNI adds two products of a
uint8 activation and an int8 weight in 16 bits and cuts off what is over, so weights up to 127 gave other vectors there.
With |weight| <= 64 no pair of products leaves 16 bits: 2 x 255 x 64 = 32,640 <= 32,767. See docs/decisions/0013.
"""

from __future__ import annotations

from artifact.model.manifest import Manifest

LARGEST_WEIGHT = 64
SCHEME = "u8s7"
"""Activations of 8 bits without a sign, weights of 7 bits with one; what `quantization` of a manifest calls it."""

_NOTE = (
    "int8 of an older scheme: x86 processors without VNNI may give other vectors; export the run again with "
    "--precision int8"
)


def older_scheme_note(manifest: Manifest) -> str | None:
    """What to tell of an int8 artifact whose weights may be too large for some processors; None of any other.

    An adopted network has no facts of quantisation: its weights are as they came, and there is no run to export.
    """
    facts = manifest.quantization
    if manifest.precision != "int8" or facts is None or "scheme" in facts:
        return None
    return _NOTE
