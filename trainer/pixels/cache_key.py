"""The folder of decoded pixels: in the user's cache folder, one for each way of decoding."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from artifact.cache_folder import cache_folder
from artifact.images.decoding import DECODER
from artifact.images.preprocessing import Preprocessing

_DECODERS = ("pillow", "simplejpeg", "cykooz-resizer")


def default_folder() -> Path | None:
    """$XDG_CACHE_HOME/lookalike/pixels, or ~/.cache/lookalike/pixels; None where there is no home."""
    return cache_folder("pixels")


def cache_key(preprocessing: Preprocessing) -> str:
    """Hash of all that decides a pixel; mean and std do not, but for the colour that `pad` fills with."""
    facts = {
        "format": 2,
        "size": [preprocessing.height, preprocessing.width],
        "fit": preprocessing.fit,
        "fill": list(preprocessing.mean) if preprocessing.fit == "pad" else None,
        "decoder": DECODER,
        "resize": preprocessing.resize,
        "color": preprocessing.color,
        "decoders": {name: version(name) for name in _DECODERS},
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
