"""The check of a repository's layout: whether Triton takes it, and whether it is as published; advice for each problem.

What stops Triton was tried with tritonserver 2.51 (`--model-control-mode=explicit --load-model=*`, and without): one
folder that it cannot load stops the whole server, so nothing in a repository is harmless but plain files.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from artifact.errors import LookalikeError, RepositoryError
from artifact.images.preprocessing import Preprocessing
from artifact.model.file import read_manifest
from artifact.model.manifest import Manifest
from artifact.model.parts import MODEL_FILE
from artifact.repository.changes import staging_folders
from artifact.repository.companions import COMPANIONS, MARK, SPEC_FILE, copied_sources
from artifact.repository.reading import PublishedModel, is_ours, open_repository, versions_in
from artifact.repository.triton_config import (
    CONFIG_FILE,
    DECODE_SUFFIX,
    DIGEST_PARAMETER,
    ENCODED_SUFFIX,
    ModelConfig,
    decode_config,
    encoded_config,
    network_config,
    read_config,
    served_versions,
)

_SELF_DESCRIBING = (
    "model.onnx",
    "model.plan",
    "model.pt",
    "model.py",
    "model.graphdef",
    "model.savedmodel",
    "model.xml",
)
"""Files of a version folder from which Triton completes a missing config."""


@dataclass(frozen=True)
class Problem:
    """Something wrong in a repository.

    Attributes:
        where: the folder or file.
        what: one line of what is wrong.
        mend: what to do about it.
        stops_triton: whether a Triton that loads this repository refuses to start.
    """

    where: Path
    what: str
    mend: str
    stops_triton: bool

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"


def find_problems(root: Path) -> list[Problem]:
    """Everything wrong with a repository's folders, configs and companions; the artifacts' own bytes are not read.

    Raises:
        RepositoryError: no such repository.
    """
    repository = open_repository(root)
    problems = list(_strays(root))
    problems += [
        Problem(left, "left by a command that was killed", "the next publish, rollback or remove clears it up", False)
        for left in staging_folders(root)
    ]
    for folder in sorted(path for path in root.iterdir() if (path / CONFIG_FILE).is_file()):
        try:
            config = read_config(folder / CONFIG_FILE)
        except RepositoryError as error:
            problems.append(_stop(folder, error.what + f": {error.got}", "restore the file or move the folder out"))
            continue
        problems += _config_problems(folder, config)
        if is_ours(config):
            try:
                problems += _model_problems(repository.model(folder.name))
            except LookalikeError as error:
                problems.append(Problem(folder, str(error), "publish the model again", False))
        elif (folder / MARK).exists() and not _network_of(folder).is_dir():
            mend = "remove the folder, or publish the model again"
            problems.append(_stop(folder, f"a companion without its network {_network_of(folder).name!r}", mend))
    return problems


def require_no_strays(root: Path) -> None:
    """Raise RepositoryError naming the first folder that is no model at all and would stop Triton."""
    for problem in _strays(root):
        raise RepositoryError(
            f"{problem.where.name!r} in the repository stops Triton", got=problem.what, where=root, mend=problem.mend
        )


def _strays(root: Path) -> Iterator[Problem]:
    """Folders that are no models: hidden ones, empty ones, links to nowhere."""
    for path in sorted(root.iterdir()):
        if path.is_symlink() and not path.exists():
            yield _stop(path, "a link to nothing", "remove it")
        elif path.is_dir() and not (path / CONFIG_FILE).is_file() and not _describes_itself(path):
            yield _stop(path, "no config.pbtxt", "move it out: Triton takes every folder for a model")


def _describes_itself(folder: Path) -> bool:
    try:
        return any((folder / str(v) / name).exists() for v in versions_in(folder) for name in _SELF_DESCRIBING)
    except OSError:
        return False


def _config_problems(folder: Path, config: ModelConfig) -> Iterator[Problem]:
    """Problems that any model of Triton may have, ours or not."""
    if config.name and config.name != folder.name:
        yield _stop(folder, f"its config names {config.name!r}", "give the folder that name again")
    versions = versions_in(folder)
    absent = sorted(set(config.version_policy.specific.versions) - set(versions))
    if absent:
        there = ", ".join(map(str, versions)) or "none"
        mend = f"`lookalike rollback {folder.name} --to VERSION` serves one of {there}"
        yield _stop(folder, f"its version_policy names absent version {', '.join(map(str, absent))}", mend)
    elif not served_versions(config, versions):
        yield _stop(folder, "no version folder", "publish the model again or move the folder out")
    for step in config.ensemble_scheduling.step:
        if not (folder.parent / step.model_name).is_dir():
            yield _stop(folder, f"its step {step.model_name!r} is not there", "publish the model again")


def _model_problems(model: PublishedModel) -> Iterator[Problem]:
    """A network of ours: versions, digests, and the two companions."""
    for version in versions_in(model.folder):
        folder = model.folder / str(version)
        if not (folder / MODEL_FILE).is_file():
            mend = f"remove the folder; `lookalike versions {model.name}` lists the sound ones"
            yield Problem(folder, f"no {MODEL_FILE}", mend, version in served_versions(model.config, [version]))
        elif version not in model.manifests:
            mend = f"publish it: `lookalike install {folder / MODEL_FILE}`, and remove the folder"
            yield Problem(folder, "a version that config.pbtxt does not know", mend, False)
        else:
            yield from _digest_problems(model, version)
    if not model.manifests:
        return
    manifest = model.manifests[max(model.manifests)]
    yield from _tensor_problems(model.folder, model.config, network_config(model.name, manifest))
    companions = ((DECODE_SUFFIX, decode_config), (ENCODED_SUFFIX, encoded_config))
    for suffix, expected in companions if manifest.has_companions else ():
        folder = model.folder.with_name(model.name + suffix)
        if not (folder / CONFIG_FILE).is_file():
            mend = f"publish {model.name!r} again, if encoded images are to be sent"
            yield Problem(folder, "the companion is missing", mend, False)
            continue
        try:
            yield from _tensor_problems(folder, read_config(folder / CONFIG_FILE), expected(model.name, manifest))
        except RepositoryError:
            continue  # named already, as a config that does not parse
        if suffix == DECODE_SUFFIX and (versions := versions_in(folder)):
            yield from _decode_problems(folder / str(versions[-1]), manifest)


def _digest_problems(model: PublishedModel, version: int) -> Iterator[Problem]:
    path, mend = model.artifact(version), f"publish {model.name!r} again and remove this version"
    try:
        digest = read_manifest(path).digest
    except LookalikeError as error:
        yield Problem(path, error.what, mend, False)
        return
    stated = {
        "parameter": model.config.parameters[f"{DIGEST_PARAMETER}{version}"].string_value,
        "manifest": model.manifest(version).digest,
    }
    for what, other in stated.items():
        if other != digest:
            got = f"{digest[:16]}... , not {other[:16] or 'any'}... of the {what} in config.pbtxt"
            yield Problem(path, f"its digest is {got}", mend, False)


def _tensor_problems(folder: Path, config: ModelConfig, expected: ModelConfig) -> Iterator[Problem]:
    for part in ("input", "output"):
        if list(getattr(config, part)) != list(getattr(expected, part)):
            yield _stop(folder, f"{part} in config.pbtxt is not the artifact's", "publish the model again")


def _decode_problems(version: Path, manifest: Manifest) -> Iterator[Problem]:
    mend = "publish the model again"
    try:
        spec = json.loads((version / SPEC_FILE).read_bytes())
        promised = copied_sources(spec)
        found = {file: hashlib.sha256((version / file).read_bytes()).hexdigest() for file in promised}
        pixels = Preprocessing.from_dict(spec["preprocessing"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        yield _stop(version, f"cannot be read: {error!r}", mend)
        return
    for file in promised:
        if found[file] != promised[file]:
            yield _stop(version / file, "is not the file that was published", mend)
    spoken = manifest.model_copy(update={"preprocessing": pixels.to_dict()}).signature
    for key, value in manifest.signature.items():
        if spoken.get(key) != value:
            yield Problem(version / SPEC_FILE, f"{key}={spoken.get(key)}, the network needs {value}", mend, False)
    if list(manifest.image_inputs) != spec.get("streams"):
        yield Problem(
            version / SPEC_FILE, f"streams {spec.get('streams')}, not {list(manifest.image_inputs)}", mend, True
        )


def _network_of(companion: Path) -> Path:
    return companion.with_name(re.sub(f"({'|'.join(map(re.escape, COMPANIONS))})$", "", companion.name))


def _stop(where: Path, what: str, mend: str) -> Problem:
    return Problem(Path(os.fspath(where)), what, mend, True)
