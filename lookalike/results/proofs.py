"""The proofs of an exported artifact as they are printed: parity, and the gates of int8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from export.build import Built


def proof_lines(built: Built) -> list[str]:
    """What was proved before anything is published, one line each."""
    parity, quantization = built.parity, built.manifest.quantization
    reference = "torch" if quantization is None else "int8 branch"
    lines = [
        f"parity {reference} = onnxruntime on batches of {', '.join(map(str, parity.batches))}: "
        f"max |difference| {parity.max_abs:.2g} (limit {parity.limit:.2g})"
    ]
    if built.verdict is not None and quantization is not None:
        lines += built.verdict.lines()
        if shared := quantization["evaluation"]["shared_with_calibration"]:
            lines.append(f"{shared} of the evaluation images were calibrated on too: judge by others")
    return lines


def proof_facts(built: Built) -> dict[str, Any]:
    """The same for --json: precision, parity and, of int8, gates."""
    parity, quantization = built.parity, built.manifest.quantization
    facts: dict[str, Any] = {
        "precision": built.manifest.precision,
        "parity": {"max_abs": parity.max_abs, "limit": parity.limit, "batches": list(parity.batches)},
    }
    if built.verdict is not None and quantization is not None:
        facts["gates"] = quantization["gates"]
    return facts
