"""Debian packages of pictures: fetched once by apt-get, checked against a pinned digest, and never installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from artifact.errors import DataError, LookalikeError

TIMEOUT_S = 300


@dataclass(frozen=True, kw_only=True)
class DebianPackage:
    """One package.

    Attributes:
        name, version: pinned, as apt takes them.
        sha256: of the .deb file, in hex.
    """

    name: str
    version: str
    sha256: str


def fetch(package: DebianPackage, folder: Path) -> Path:
    """The package's file in `folder`, fetched unless a sound one lies there.

    Raises:
        LookalikeError: no apt-get, or it failed. DataError: the file is not the pinned one.
    """
    kept = folder / f"{package.name}-{package.version}.deb"
    if kept.is_file() and _sha256(kept) == package.sha256:
        return kept
    spec = f"{package.name}={package.version}"
    apt = shutil.which("apt-get")
    if apt is None or shutil.which("dpkg-deb") is None:
        raise LookalikeError(f"the pictures come with the Debian package {spec}", expected="apt-get", got="none")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".apt-") as stage:
        done = subprocess.run(
            [apt, "download", spec], cwd=stage, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        brought = sorted(Path(stage).glob("*.deb"))
        if done.returncode or not brought:
            reason = next((line for line in done.stderr.splitlines() if line.startswith("E:")), f"{done.returncode}")
            raise LookalikeError(f"cannot fetch {spec} with apt-get", got=reason, mend="run `apt-get update` first")
        found = _sha256(brought[0])
        if found != package.sha256:
            raise DataError(f"Debian package {spec}", expected=f"SHA-256 {package.sha256}", got=found)
        os.replace(brought[0], kept)
    return kept


def members(archive: Path, suffixes: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """(path within, content) of the files of a package that end so, in its own order."""
    with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isfile() and member.name.endswith(suffixes) else None
                if stream is not None:
                    yield member.name, stream.read()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
