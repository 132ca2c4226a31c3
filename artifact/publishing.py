"""Publish artifacts into a Triton model repository, so that a kill at any moment leaves the old or the new state.

Everything is staged beside the root (any extra folder inside it stops Triton), flushed, and renamed into place under a
lock. The order: config first (an entry for a version that is not there is harmless), then the version folder; for a new
model NAME_decode, NAME, then NAME_encoded, which depends on both. What a killed publisher left is cleaned by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from artifact import preprocessing
from artifact.atomic import sync_folder
from artifact.errors import RepositoryError, UsageError
from artifact.manifest import Manifest
from artifact.model_file import verify_content
from artifact.preprocessing import DEFAULT_LIMITS
from artifact.repository import (
    CONFIG_FILE,
    MODEL_FILE,
    PublishedModel,
    is_model_name,
    open_repository,
    versions_in,
)
from artifact.triton_config import (
    DECODE_SUFFIX,
    ENCODED_SUFFIX,
    decode_config,
    drop_manifest,
    encoded_config,
    manifests_in,
    network_config,
    serve_latest,
    serve_only,
    set_manifest,
    write_config,
)

LOCK_FILE = ".lookalike.lock"
COMPANIONS = (DECODE_SUFFIX, ENCODED_SUFFIX)
LEFTOVER_MARK = ".lookalike"
"""Marks companions as ours: a publisher killed before NAME itself was there leaves one, the next goes on from it."""
_SIGNATURE = ("kind", "mode", "embedding_dim", "distance")


def publish(file: Path, root: Path, *, name: str | None = None) -> PublishedModel:
    """Install a verified artifact as the next version of model `name` (default: the name in its manifest).

    The same artifact twice is one version: publishing what is already the newest changes nothing.

    Raises:
        ArtifactError: the file is not sound.
        UsageError: a name that Triton or Lookalike would not take.
        RepositoryError: another signature under the same name, or a folder that cannot be written.
    """
    manifest = verify_content(file)
    name = name or manifest.name
    require_model_name(name)
    root.mkdir(parents=True, exist_ok=True)
    with locked(root) as staging:
        _require_free_name(root, name)
        if (root / name / CONFIG_FILE).is_file():
            _publish_version(file, manifest, root, name, staging)
        else:
            _publish_model(file, manifest, root, name, staging)
        _publish_companions(manifest, root, name, staging)
    return open_repository(root).model(name)


def rollback(root: Path, name: str, version: int | None = None) -> PublishedModel:
    """Serve one earlier version (default: the one before the version served now); nothing is deleted.

    Raises:
        ModelNotFoundError: no such model or version.
        RepositoryError: there is no earlier version.
    """
    open_repository(root).model(name)
    with locked(root):
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
        write_config(model.folder / CONFIG_FILE, model.config)
    return open_repository(root).model(name)


def remove(root: Path, name: str, version: int | None = None) -> None:
    """Remove a model with its companions, or one version of it that is not served.

    Raises:
        ModelNotFoundError: no such model or version.
        RepositoryError: the version is being served.
    """
    open_repository(root).model(name)
    with locked(root) as staging:
        model = open_repository(root).model(name)
        if version is None:
            for folder in (name + ENCODED_SUFFIX, name, name + DECODE_SUFFIX):
                if (root / folder).is_dir():
                    os.rename(root / folder, staging / folder)
            return
        model.manifest(version)
        if version in model.served:
            raise RepositoryError(
                f"version {version} of {name!r} is served",
                where=model.folder,
                mend="roll back or publish another first",
            )
        os.rename(model.folder / str(version), staging / str(version))
        drop_manifest(model.config, version)
        write_config(model.folder / CONFIG_FILE, model.config)


def require_model_name(name: str) -> None:
    """Raise UsageError unless Triton and Lookalike take `name` as a model's name."""
    if not is_model_name(name):
        raise UsageError(
            f"model name {name!r}",
            expected=f"1 to 100 letters, digits, '_', '-' or '.', not starting with '.', not ending in "
            f"{' or '.join(COMPANIONS)}",
            mend="choose another with --name",
        )


@contextlib.contextmanager
def locked(root: Path) -> Iterator[Path]:
    """Hold the repository's lock; yields an empty staging folder on the same file system, gone afterwards.

    Waits for another publisher. Staging folders of killed publishers are removed: the lock proves that none is alive.
    """
    parent, prefix = root.resolve().parent, f".{root.resolve().name}.staging-"
    try:
        lock = (root / LOCK_FILE).open("w")
    except OSError as error:
        raise RepositoryError("cannot write to the repository", got=error.strerror, where=root) from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for stale in parent.glob(f"{prefix}*"):
            shutil.rmtree(stale, ignore_errors=True)
        staging = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        try:
            if staging.stat().st_dev != root.stat().st_dev:
                raise RepositoryError(
                    "the repository is a file system of its own, so nothing can be renamed into it",
                    where=root,
                    mend="use a folder inside it as the repository",
                )
            yield staging
        except OSError as error:
            raise RepositoryError("cannot change the repository", got=str(error), where=root) from None
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _require_free_name(root: Path, name: str) -> None:
    """A foreign model of the same name, or of a companion's name, is never touched."""
    foreign = open_repository(root).foreign()
    for taken in (name, *(name + suffix for suffix in COMPANIONS if not (root / name / CONFIG_FILE).is_file())):
        reason = foreign.get(taken)
        is_leftover = taken != name and reason is not None and (root / taken / LEFTOVER_MARK).is_file()
        if reason is not None and not is_leftover:
            raise RepositoryError(
                f"a folder {taken!r} is already there and is not Lookalike's",
                got=reason,
                where=root / taken,
                mend="choose another name with --name",
            )


def _publish_model(file: Path, manifest: Manifest, root: Path, name: str, staging: Path) -> None:
    for suffix in COMPANIONS:
        if (root / (name + suffix)).is_dir():  # left by a publisher that was killed before NAME was there
            os.rename(root / (name + suffix), staging / ("left" + suffix))
    config = network_config(name, manifest)
    set_manifest(config, 1, manifest)
    folder = staging / name
    _stage_version(file, manifest, folder / "1")
    write_config(folder / CONFIG_FILE, config)
    _publish_decode(manifest, root, name, staging)
    _rename(folder, root / name)


def _publish_version(file: Path, manifest: Manifest, root: Path, name: str, staging: Path) -> None:
    model = open_repository(root).model(name)
    _require_same_signature(manifest, model)
    if model.manifests and model.manifests[max(model.manifests)].digest == manifest.digest:
        if model.served == [max(model.manifests)]:
            return
        serve_latest(model.config)
        write_config(model.folder / CONFIG_FILE, model.config)
        return
    version = max([0, *versions_in(model.folder)]) + 1
    _stage_version(file, manifest, staging / "version")
    for gone in set(manifests_in(model.config, where=model.folder)) - set(model.manifests):
        drop_manifest(model.config, gone)
    set_manifest(model.config, version, manifest)
    write_config(model.folder / CONFIG_FILE, model.config)
    _rename(staging / "version", model.folder / str(version))
    serve_latest(model.config)  # last: after a rollback the old version is served until the new one is there
    write_config(model.folder / CONFIG_FILE, model.config)


def _publish_companions(manifest: Manifest, root: Path, name: str, staging: Path) -> None:
    """Put NAME_decode and NAME_encoded in place where they are missing or older than this version of Lookalike."""
    _publish_decode(manifest, root, name, staging)
    encoded = name + ENCODED_SUFFIX
    if not (root / encoded).is_dir():
        folder = staging / encoded
        (folder / "1").mkdir(parents=True)
        (folder / "1" / ".keep").touch()
        (folder / LEFTOVER_MARK).touch()
        write_config(folder / CONFIG_FILE, encoded_config(name, manifest))
        _rename(folder, root / encoded)


def _publish_decode(manifest: Manifest, root: Path, name: str, staging: Path) -> None:
    source = Path(preprocessing.__file__).read_bytes()
    spec = {
        "preprocessing": manifest.preprocessing,
        "limits": DEFAULT_LIMITS.to_dict(),
        "streams": list(manifest.inputs),
        "preprocessing_sha256": hashlib.sha256(source).hexdigest(),
    }
    files = {
        "model.py": Path(__file__).with_name("triton_decode.py").read_bytes(),
        "preprocessing.py": source,
        "spec.json": json.dumps(spec, indent=1, sort_keys=True).encode(),
    }
    target = root / (name + DECODE_SUFFIX)
    versions = versions_in(target) if target.is_dir() else []
    if versions:
        newest = target / str(versions[-1])
        if all((newest / file).is_file() and (newest / file).read_bytes() == data for file, data in files.items()):
            return
    version = staging / "decode" / str((versions or [0])[-1] + 1)
    version.mkdir(parents=True)
    for file, data in files.items():
        (version / file).write_bytes(data)
    if target.is_dir():
        _rename(version, target / version.name)
        return
    write_config(version.parent / CONFIG_FILE, decode_config(name, manifest))
    (version.parent / LEFTOVER_MARK).touch()
    _rename(version.parent, target)


def _require_same_signature(manifest: Manifest, model: PublishedModel) -> None:
    for version, other in model.manifests.items():
        new = {key: getattr(manifest, key) for key in _SIGNATURE}
        old = {key: getattr(other, key) for key in _SIGNATURE}
        for key in ("height", "width", "fit"):
            new[key], old[key] = manifest.preprocessing[key], other.preprocessing[key]
        changed = [key for key in new if new[key] != old[key]]
        if changed:
            raise RepositoryError(
                f"model {model.name!r} has another signature",
                expected=", ".join(f"{key}={old[key]} as in version {version}" for key in changed),
                got=", ".join(f"{key}={new[key]}" for key in changed),
                where=model.folder,
                mend="publish it under another name with --name",
            )


def _stage_version(file: Path, manifest: Manifest, folder: Path) -> None:
    folder.mkdir(parents=True)
    shutil.copyfile(file, folder / MODEL_FILE)
    for external in manifest.content.external:
        shutil.copyfile(file.parent / external, folder / external)
    for path in folder.iterdir():
        with path.open("rb+") as copied:
            os.fsync(copied.fileno())
    sync_folder(folder)


def _rename(source: Path, target: Path) -> None:
    os.chmod(source, 0o755)  # staging folders are private, published ones are read by the server's user
    os.rename(source, target)
    sync_folder(target.parent)
