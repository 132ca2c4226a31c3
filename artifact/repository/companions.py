"""The companions of a published network, NAME_decode and NAME_encoded, by which it takes encoded images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from artifact import images
from artifact.images.limits import SERVER_LIMITS, Limits
from artifact.model.manifest import Manifest
from artifact.repository.changes import Change
from artifact.repository.reading import versions_in
from artifact.repository.triton_config import (
    CONFIG_FILE,
    DECODE_SUFFIX,
    ENCODED_SUFFIX,
    decode_config,
    encoded_config,
    write_config,
)

COMPANIONS = (DECODE_SUFFIX, ENCODED_SUFFIX)
MARK = ".lookalike"
"""An empty file in companions of ours: a folder of the same name without it is never touched."""
SPEC_FILE, DECODER_FILE = "spec.json", "model.py"
_SOURCES = sorted(Path(str(images.__file__)).parent.glob("[a-z]*.py"))
"""All files of the room, which NAME_decode has copies of; one that an older Lookalike published has fewer of them."""
_OLDEST = "preprocessing.py"
"""The one of them that every NAME_decode has."""


def stage_decode(
    change: Change,
    name: str,
    manifest: Manifest,
    *,
    max_megapixels: float | None = None,
    max_image_mb: float | None = None,
) -> None:
    """Plan NAME_decode where it is missing, older than this version of Lookalike, or has other limits.

    Args:
        max_megapixels, max_image_mb: see `server_limits`.
    """
    target = change.root / (name + DECODE_SUFFIX)
    versions = versions_in(target) if target.is_dir() else []
    files = decode_files(manifest, server_limits(target, max_megapixels=max_megapixels, max_image_mb=max_image_mb))
    if versions and _holds(target / str(versions[-1]), files):
        return
    folder = change.folder / target.name
    version = folder / str((versions or [0])[-1] + 1)
    version.mkdir(parents=True)
    for file, data in files.items():
        (version / file).write_bytes(data)
    if target.is_dir():
        change.place(version, f"{target.name}/{version.name}")
        return
    write_config(folder / CONFIG_FILE, decode_config(name, manifest))
    (folder / MARK).touch()
    change.place(folder, target.name)


def stage_encoded(change: Change, name: str, manifest: Manifest) -> None:
    """Plan NAME_encoded where it is missing; it goes last, because Triton loads it only with the other two there."""
    target = name + ENCODED_SUFFIX
    if (change.root / target).is_dir():
        return
    folder = change.folder / target
    (folder / "1").mkdir(parents=True)
    (folder / "1" / ".keep").touch()
    (folder / MARK).touch()
    write_config(folder / CONFIG_FILE, encoded_config(name, manifest))
    change.place(folder, target)


def server_limits(
    folder: Path,
    version: int | None = None,
    *,
    max_megapixels: float | None = None,
    max_image_mb: float | None = None,
) -> Limits:
    """The limits of NAME_decode: those that are given, else those that it was published with, else the defaults.

    Those of an older Lookalike do not count: nobody could choose them.

    Args:
        folder: of NAME_decode, which need not be there.
        version: of it; None for the newest.
        max_megapixels: width x height, in millions.
        max_image_mb: size of the encoded image, in units of 2**20 bytes.
    """
    try:
        spec = json.loads((folder / str(version or versions_in(folder)[-1]) / SPEC_FILE).read_bytes())
        published = Limits.from_dict(spec["limits"]) if "of_server" in spec.get("limits", {}) else SERVER_LIMITS
    except (
        OSError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
        RecursionError,
    ):  # `lookalike check` says what is wrong there
        published = SERVER_LIMITS
    kept = replace(SERVER_LIMITS, max_pixels=published.max_pixels, max_bytes=published.max_bytes)
    return kept.with_options(max_megapixels=max_megapixels, max_image_mb=max_image_mb)


def decode_files(manifest: Manifest, limits: Limits = SERVER_LIMITS) -> dict[str, bytes]:
    """The files of a version of NAME_decode: {file name: bytes}."""
    sources = {source.name: source.read_bytes() for source in _SOURCES}
    spec = {
        "preprocessing": manifest.preprocessing,
        "limits": limits.to_dict(),
        "streams": list(manifest.image_inputs),
    }
    hashes = {_hash_key(file): hashlib.sha256(data).hexdigest() for file, data in sources.items()}
    return sources | {
        DECODER_FILE: Path(__file__).with_name("triton_decode.py").read_bytes(),
        SPEC_FILE: json.dumps(spec | hashes, indent=1, sort_keys=True).encode(),
    }


def copied_sources(spec: Mapping[str, Any]) -> dict[str, str]:
    """{name of a copied source file: its SHA-256 in hex} as a spec.json says it; raises KeyError without the oldest."""
    keys = {source.name: _hash_key(source.name) for source in _SOURCES}
    return {file: spec[key] for file, key in keys.items() if key in spec or file == _OLDEST}


def _hash_key(file: str) -> str:
    """The entry of spec.json with the hash of a source file."""
    return f"{file.removesuffix('.py')}_sha256"


def _holds(folder: Path, files: dict[str, bytes]) -> bool:
    return all((folder / file).is_file() and (folder / file).read_bytes() == data for file, data in files.items())
