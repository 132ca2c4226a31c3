"""The reader of a Triton model repository: which models are ours, their versions, those served, where files lie."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

from artifact.errors import ModelNotFoundError, RepositoryError
from artifact.model.manifest import Manifest
from artifact.model.parts import MODEL_FILE
from artifact.repository.triton_config import (
    CONFIG_FILE,
    DECODE_SUFFIX,
    ENCODED_SUFFIX,
    ModelConfig,
    manifests_in,
    read_config,
    served_versions,
)

LONGEST_NAME = 100
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{LONGEST_NAME - 1}}}")


@dataclass(frozen=True)
class PublishedModel:
    """One of our models in a repository.

    Attributes:
        name: its name, without suffix.
        folder: where it lies.
        config: its parsed config.pbtxt.
        manifests: {version: manifest without goldens} of the versions that are there.
        served: versions that the policy serves, ascending.
    """

    name: str
    folder: Path
    config: ModelConfig
    manifests: dict[int, Manifest]
    served: list[int]

    def artifact(self, version: int) -> Path:
        """Path of one version's ONNX file; raises ModelNotFoundError."""
        self.manifest(version)
        return self.folder / str(version) / MODEL_FILE

    def manifest(self, version: int) -> Manifest:
        """Manifest of one version; raises ModelNotFoundError naming the versions that there are."""
        if version not in self.manifests:
            there = ", ".join(map(str, self.manifests)) or "none"
            raise ModelNotFoundError(
                f"model {self.name!r} has no version {version}", expected=f"one of {there}", where=self.folder
            )
        return self.manifests[version]

    def newest_served(self) -> int:
        """The version that a request without a version gets; raises ModelNotFoundError if none is served."""
        if not self.served:
            raise ModelNotFoundError(f"model {self.name!r} serves no version", where=self.folder)
        return self.served[-1]


@dataclass(frozen=True)
class Repository:
    """A folder of models; construct with `open_repository`."""

    root: Path

    def names(self) -> list[str]:
        """Names of our models (NAME only, not its _decode and _encoded companions), sorted."""
        return [folder.name for folder in self._folders() if self._refusal(folder) is None]

    def foreign(self) -> dict[str, str]:
        """Folders that are not ours, or whose config does not parse, with the reason: {folder: reason}."""
        ours = set(self.names())
        companions = {name + suffix for name in ours for suffix in (DECODE_SUFFIX, ENCODED_SUFFIX)}
        return {
            folder.name: self._refusal(folder) or ""
            for folder in self._folders()
            if folder.name not in ours | companions
        }

    def model(self, name: str) -> PublishedModel:
        """One of our models; raises ModelNotFoundError naming the nearest that there are."""
        folder = self.root / name
        config_path = folder / CONFIG_FILE
        if not is_model_name(name) or not config_path.is_file():
            raise self._not_found(name)
        config = read_config(config_path)
        if not is_ours(config):
            raise self._not_found(name)
        present = {version for version in versions_in(folder) if (folder / str(version) / MODEL_FILE).is_file()}
        manifests = {
            version: manifest
            for version, manifest in manifests_in(config, where=config_path).items()
            if version in present
        }
        return PublishedModel(name, folder, config, manifests, served_versions(config, list(manifests)))

    def _folders(self) -> list[Path]:
        return sorted(path for path in self.root.iterdir() if path.is_dir())

    def _refusal(self, folder: Path) -> str | None:
        """The reason why a folder is not one of our models; None if it is."""
        if not (folder / CONFIG_FILE).is_file():
            return "no config.pbtxt"
        try:
            config = read_config(folder / CONFIG_FILE)
        except RepositoryError as error:
            return str(error)
        return None if is_ours(config) else "not published by lookalike: its config carries no manifest"

    def _not_found(self, name: str) -> ModelNotFoundError:
        there = self.names()
        near = difflib.get_close_matches(name, there, n=3) or there[:5]
        return ModelNotFoundError(
            f"no model {name!r}",
            expected=f"one of {', '.join(near)}" if near else "a published model, found none",
            where=self.root,
            mend="`lookalike export RUN --repository DIR` publishes one" if not near else None,
        )


def open_repository(root: Path | str) -> Repository:
    """Open an existing repository folder; raises RepositoryError if it is not there."""
    root = Path(root)
    if not root.is_dir():
        raise RepositoryError(
            "no model repository",
            expected="a folder",
            got="a file" if root.exists() else "nothing there",
            where=root,
            mend="`lookalike export RUN --repository DIR` makes one",
        )
    return Repository(root)


def versions_in(folder: Path) -> list[int]:
    """Version folders of a model: plain positive integers without a leading zero, ascending."""
    return sorted(int(path.name) for path in folder.iterdir() if re.fullmatch(r"[1-9]\d*", path.name) and path.is_dir())


def is_ours(config: ModelConfig) -> bool:
    """Whether a config was written by Lookalike for a network (not for its companions)."""
    return config.backend == "onnxruntime" and any(key.startswith("lookalike.") for key in config.parameters)


def is_model_name(name: str) -> bool:
    """Whether a model of ours may have a name: of the form of names, and not ending as a companion does."""
    return has_name_form(name) and not name.endswith((DECODE_SUFFIX, ENCODED_SUFFIX))


def has_name_form(name: str) -> bool:
    """Letters, digits, `_`, `-`, `.`; starts with a letter or digit.

    Tried with tritonserver 2.51: it loads all of these, but `GET v2/models/stats` is the statistics of all models. It
    also loads most other names (`_a`, `a b`), which then fail in a backend's command line, a URL or a shell.
    """
    return bool(_NAME.fullmatch(name)) and name != "stats"
