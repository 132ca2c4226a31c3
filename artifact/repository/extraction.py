"""The extraction of a published version: repository to file, the way back of publishing."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from artifact.atomic import sync_folder
from artifact.errors import ArtifactError, OutputError
from artifact.locks import FileLock
from artifact.model.file import verify_content
from artifact.model.manifest import Manifest
from artifact.repository.reading import open_repository


def extract(root: Path, name: str, file: Path, *, version: int | None = None) -> Manifest:
    """Copy a version's artifact (default: the one served) to `file`, whole or not at all, its external data beside it.

    The repository is only read. What a killed extraction left beside `file` is removed by the next to the same file.

    Raises:
        ModelNotFoundError: no such model or version.
        ArtifactError: the version is not sound, or not the artifact that its config says.
        OutputError: `file` cannot be written, or other external data of the same name lies there.
    """
    model = open_repository(root).model(name)
    source = model.artifact(model.newest_served() if version is None else version)
    digest = model.manifest(int(source.parent.name)).digest
    manifest = verify_content(source)
    if manifest.digest != digest:
        raise ArtifactError(
            "the file is not the artifact of its config",
            expected=f"digest {digest}",
            got=manifest.digest,
            where=source,
            mend="publish it again",
        )
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with _staging(file) as folder:
            _copy(source, folder / file.name)
            for external in manifest.content.external:
                _copy(source.parent / external, folder / external)
            verify_content(folder / file.name)
            for external, facts in manifest.content.external.items():
                _require_same(file.with_name(external), facts.size, folder / external)
                os.replace(folder / external, file.with_name(external))
            os.replace(folder / file.name, file)  # last: with it the artifact is there
            sync_folder(file.parent)
    except OSError as error:
        raise OutputError("cannot write the file", got=error.strerror or str(error), where=file) from None
    return manifest


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    with target.open("rb+") as copied:
        os.fsync(copied.fileno())


def _require_same(there: Path, size: int, staged: Path) -> None:
    """External data keeps its name, because the graph says it: never write over that of another artifact."""
    if not there.exists():
        return
    if there.stat().st_size != size or there.read_bytes() != staged.read_bytes():
        raise OutputError("other external data of this name lies there", where=there, mend="extract to another folder")


@contextlib.contextmanager
def _staging(file: Path) -> Iterator[Path]:
    """A folder beside `file`, gone afterwards. Its lock ends with this process, so the next one sees who was killed."""
    prefix = f".{file.name}.extracting-"
    for left in file.parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError), FileLock(left):
            shutil.rmtree(left, ignore_errors=True)
    with contextlib.ExitStack() as held:
        yield _own_folder(prefix, file.parent, held)


def _own_folder(prefix: str, parent: Path, held: contextlib.ExitStack) -> Path:
    """A new folder, removed with `held`. It is another process's to remove until it is locked; then try again."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with contextlib.ExitStack() as taken:
            taken.callback(shutil.rmtree, folder, ignore_errors=True)
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                taken.enter_context(FileLock(folder))
                if folder.exists():
                    held.push(taken.pop_all())
                    return folder
