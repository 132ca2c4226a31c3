"""Publishing into a Triton model repository, rolling back, removing; a kill leaves the old or new state.

Decisions a reader would question:
- The config goes before its version: an entry for a version that is not there is harmless, the other way it is not.
- A folder that stops Triton stops publishing too: better now, with advice, than when the server is started again.
- A version's number is never used again, even if that version was removed: answers and caches name it.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artifact.errors import RepositoryError, UsageError
from artifact.limit_options import require_limits
from artifact.model.file import verify_artifact, verify_content
from artifact.model.manifest import Manifest
from artifact.model.parts import MODEL_FILE
from artifact.modes import BRANCH, MODES
from artifact.repository.changes import Change, changing
from artifact.repository.companions import COMPANIONS, MARK, stage_decode, stage_encoded
from artifact.repository.layout import require_no_strays
from artifact.repository.reading import LONGEST_NAME, PublishedModel, is_model_name, open_repository, versions_in
from artifact.repository.triton_config import (
    CONFIG_FILE,
    DECODE_SUFFIX,
    ENCODED_SUFFIX,
    ModelConfig,
    drop_manifest,
    manifests_in,
    network_config,
    serve_latest,
    serve_only,
    set_manifest,
    write_config,
)

LAST_VERSION_PARAMETER = "lookalike.last_version"


def publish(
    file: str | Path,
    root: str | Path,
    *,
    name: str | None = None,
    max_megapixels: float | None = None,
    max_image_mb: float | None = None,
) -> PublishedModel:
    """Install a verified artifact as the next version of model `name` (default: the name in its manifest).

    The same artifact twice is one version: publishing what is already the newest changes nothing but the limits.

    Args:
        max_megapixels: largest width x height that servers of the repository take for this model, in millions, and
        max_image_mb: largest file, in units of 2**20 bytes; None leaves what it has, at first the defaults.

    Raises:
        ArtifactError: the file is not sound.
        UsageError: a name that Triton or Lookalike would not take, or a limit that is none.
        RepositoryError: another signature under the same name, or a folder that cannot be written or stops Triton.
    """
    require_limits(max_megapixels, max_image_mb)
    file, root = Path(file), Path(root)
    manifest = verify_artifact(file)
    name = name or manifest.name
    require_model_name(name)
    if root.is_dir():
        require_no_strays(root)
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RepositoryError("cannot make the repository", got=error.strerror, where=root) from None
    with changing(root) as change:
        require_no_strays(root)
        is_new = not (root / name / CONFIG_FILE).is_file()
        _require_free_name(root, name, COMPANIONS if is_new and manifest.has_companions else ())
        if is_new:
            _take_leftovers(change, name)
        if manifest.has_companions:
            stage_decode(change, name, manifest, max_megapixels=max_megapixels, max_image_mb=max_image_mb)
        if is_new:
            _stage_model(change, file, manifest, name)
        else:
            _stage_version(change, file, manifest, open_repository(root).model(name))
        if manifest.has_companions:
            stage_encoded(change, name, manifest)
        change.commit()
    return open_repository(root).model(name)


def rollback(root: str | Path, name: str, version: int | None = None) -> PublishedModel:
    """Serve one earlier version (default: the one before the version served now); nothing is deleted.

    Raises:
        ModelNotFoundError: no such model or version.
        RepositoryError: there is no earlier version.
    """
    root = Path(root)
    open_repository(root).model(name)
    with changing(root) as change:
        model = open_repository(root).model(name)
        if version is None:
            earlier = [there for there in model.manifests if there < model.newest_served()]
            if not earlier:
                raise RepositoryError(
                    f"model {name!r} has no version before {model.newest_served()}",
                    where=model.folder,
                    mend="`lookalike versions` lists them",
                )
            version = earlier[-1]
        model.manifest(version)
        if version == max(model.manifests):
            serve_latest(model.config)
        else:
            serve_only(model.config, version)
        change.configure(name, model.config)
        change.commit()
    return open_repository(root).model(name)


def remove(root: str | Path, name: str, version: int | None = None) -> None:
    """Remove a model with its companions, or one version of it that is not served.

    Raises:
        ModelNotFoundError: no such model or version.
        RepositoryError: the version is being served.
    """
    root = Path(root)
    open_repository(root).model(name)
    with changing(root) as change:
        model = open_repository(root).model(name)
        if version is None:
            for folder in (name + ENCODED_SUFFIX, name, name + DECODE_SUFFIX):
                if folder == name or (root / folder / MARK).is_file():
                    change.take(folder)
            change.commit()
            return
        model.manifest(version)
        if version in model.served:
            raise RepositoryError(
                f"version {version} of {name!r} is served",
                where=model.folder,
                mend="roll back or publish another first",
            )
        highest = max(_last_version(model.config), *model.manifests)
        model.config.parameters[LAST_VERSION_PARAMETER].string_value = str(highest)
        drop_manifest(model.config, version)
        change.take(f"{name}/{version}")
        change.configure(name, model.config)
        change.commit()


def require_model_name(name: str) -> None:
    """Raise UsageError unless Triton and Lookalike take `name` as a model's name."""
    if not is_model_name(name):
        raise UsageError(
            f"model name {name!r}",
            expected=f"1 to {LONGEST_NAME} letters, digits, '_', '-' or '.', the first a letter or "
            f"digit, not ending in {' or '.join(COMPANIONS)}, not 'stats'",
            mend="choose another with --name",
        )


def to_model_name(text: str, *, room: int = 0) -> str:
    """A model name from a file's or folder's: other characters become `_`; `room` is left for what is put behind."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).lstrip("_.-")[: LONGEST_NAME - room] or "model"


def require_publishable(root: Path, name: str, signature: Mapping[str, Any]) -> None:
    """Raise what `publish` would, as far as it can be known before there is an artifact; nothing is written.

    Args:
        signature: of the artifact to come, as Manifest.signature; what is not known yet is left out.
    """
    require_model_name(name)
    if not root.is_dir():
        there = next(parent for parent in (root, *root.absolute().parents) if parent.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            got = "a folder that may not be written to" if there.is_dir() else "a file"
            raise RepositoryError("cannot make the repository", expected="a folder", got=got, where=there)
        return
    require_no_strays(root)
    is_new = not (root / name / CONFIG_FILE).is_file()
    has_companions = is_new and MODES[signature.get("mode", BRANCH)].has_companions
    _require_free_name(root, name, COMPANIONS if has_companions else ())
    if not is_new:
        _require_same_signature(signature, open_repository(root).model(name))


def _require_free_name(root: Path, name: str, companions: tuple[str, ...]) -> None:
    """A foreign folder of the same name, or of a companion's name, is never touched."""
    foreign = open_repository(root).foreign()
    for taken in (name, *(name + suffix for suffix in companions)):
        if taken in foreign and not (taken != name and (root / taken / MARK).is_file()):
            raise RepositoryError(
                f"a folder {taken!r} is already there and is not Lookalike's",
                got=foreign[taken],
                where=root / taken,
                mend="choose another name with --name",
            )


def _take_leftovers(change: Change, name: str) -> None:
    """Companions of ours without their network: somebody removed it by hand."""
    for suffix in reversed(COMPANIONS):
        if (change.root / (name + suffix) / MARK).is_file():
            change.take(name + suffix)


def _stage_model(change: Change, file: Path, manifest: Manifest, name: str) -> None:
    folder = change.folder / name
    _stage_files(file, manifest, folder / "1")
    config = network_config(name, manifest)
    set_manifest(config, 1, manifest)
    write_config(folder / CONFIG_FILE, config)
    change.place(folder, name)


def _stage_version(change: Change, file: Path, manifest: Manifest, model: PublishedModel) -> None:
    _require_same_signature(manifest.signature, model)
    newest = max(model.manifests, default=0)
    if newest and model.manifests[newest].digest == manifest.digest:
        if model.served != [newest]:
            serve_latest(model.config)
            change.configure(model.name, model.config)
        return
    version = max([_last_version(model.config), *versions_in(model.folder)]) + 1
    folder = change.folder / "version"
    _stage_files(file, manifest, folder)
    for gone in set(manifests_in(model.config, where=model.folder)) - set(model.manifests):
        drop_manifest(model.config, gone)
    set_manifest(model.config, version, manifest)
    if model.served:  # until the new version is there; a config never names the cache of another version's engine
        serve_only(model.config, model.newest_served())
    change.configure(model.name, model.config)
    change.place(folder, f"{model.name}/{version}")
    serve_latest(model.config)
    change.configure(model.name, model.config)


def _last_version(config: ModelConfig) -> int:
    """The highest version that there was when one was removed; 0 if none ever was."""
    text = config.parameters[LAST_VERSION_PARAMETER].string_value if LAST_VERSION_PARAMETER in config.parameters else ""
    return int(text) if text.isdecimal() else 0


def _stage_files(file: Path, manifest: Manifest, folder: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copyfile(file, folder / MODEL_FILE)
    for external in manifest.content.external:
        shutil.copyfile(file.parent / external, folder / external)
    if verify_content(folder / MODEL_FILE).digest != manifest.digest:
        raise RepositoryError("the artifact changed while it was published", where=file, mend="publish it again")


def _require_same_signature(new: Mapping[str, Any], model: PublishedModel) -> None:
    for version, other in model.manifests.items():
        old = other.signature
        changed = [key for key in new if key in old and new[key] != old[key]]
        if changed:
            raise RepositoryError(
                f"model {model.name!r} has another signature",
                expected=", ".join(f"{key}={old[key]} as in version {version}" for key in changed),
                got=", ".join(f"{key}={new[key]}" for key in changed),
                where=model.folder,
                mend="publish it under another name with --name",
            )
