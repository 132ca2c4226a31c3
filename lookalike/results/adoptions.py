"""An adopted network as it is printed: parity with the file it came from, and a hint at a better cut."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from export.adoption.adopted import Adopted


def adoption_lines(adopted: Adopted, file: Path) -> list[str]:
    """What was proved before anything is published, one line each; `file` is the network as it came."""
    parity = adopted.parity
    lines = [
        f"parity with {file.name}, image by image, on batches of {', '.join(map(str, parity.batches))}: "
        f"max |difference| {parity.max_abs:.2g} (limit {parity.limit:.2g}); batch: {adopted.batching}"
    ]
    if adopted.dense_input is not None:
        lines.append(
            f"the vector comes out of a dense layer; if that is a classifier's last, its input is the better vector: "
            f"--output {adopted.dense_input}"
        )
    return lines


def adoption_facts(adopted: Adopted) -> dict[str, Any]:
    """The same for --json, with what the artifact says of itself."""
    manifest, parity = adopted.manifest, adopted.parity
    facts: dict[str, Any] = {
        "name": manifest.name,
        "embedding_dim": manifest.embedding_dim,
        "normalized": manifest.normalized,
        "output": manifest.training["output"],
        "batching": adopted.batching,
        "parity": {"max_abs": parity.max_abs, "limit": parity.limit, "batches": list(parity.batches)},
    }
    if manifest.detections is not None:
        facts["detections"] = manifest.detections
    if adopted.dense_input is not None:
        facts["dense_input"] = adopted.dense_input
    return facts
