"""Other people's models in a repository: the folder, its config filled in as Triton fills it, the versions served.

A model is plain if it is no network of ours and no companion of one. What of it this server does not run, config
says; here only that decides which cannot even be read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tritonclient.grpc import model_config_pb2

from artifact.errors import RepositoryError
from artifact.repository.reading import has_name_form, versions_in
from artifact.repository.triton_config import CONFIG_FILE, ModelConfig, read_config, served_versions
from serving.embedded.models.folders import parts_of, require_in_repository

MODEL_FILE = "model.onnx"
BACKEND, PLATFORM = "onnxruntime", "onnxruntime_onnx"
_OTHERS = {
    "model.py": "python",
    "model.pt": "pytorch",
    "model.plan": "tensorrt",
    "model.graphdef": "tensorflow",
    "model.savedmodel": "tensorflow",
    "model.xml": "openvino",
}
"""{file of a version: the backend that Triton takes it for}."""


@dataclass(frozen=True)
class PlainModel:
    """A model that was not published by Lookalike.

    Attributes:
        config: as in the repository, with the name, backend, platform and file that Triton fills in.
        served: versions that the policy serves, ascending.
    """

    name: str
    root: Path
    folder: Path
    config: ModelConfig
    served: list[int]

    def file(self, version: int) -> Path:
        """The ONNX file of a version: its default_model_filename, or model.onnx in a folder of that name.

        Raises:
            RepositoryError: it is not there, or lies elsewhere.
        """
        folder = self.folder / str(version)
        require_in_repository(self.root, folder)
        path = folder.joinpath(*parts_of(folder, self.config.default_model_filename or MODEL_FILE))
        if path.is_dir():
            path /= MODEL_FILE
        if not path.is_file():
            raise RepositoryError(f"unable to find '{path}' for model instance '{self.name}'")
        require_in_repository(self.root, path)
        return path

    def fingerprint(self, version: int) -> object:
        """Equal for two looks between which a version did not change."""
        files = {self.folder / one.label_filename for one in self.config.output if one.label_filename}
        folders = [self.folder / str(version), self.folder / "warmup"]
        stats = []
        for path in sorted(files | {path for folder in folders for path in folder.rglob("*")}):
            try:
                status = os.stat(path)
            except OSError:
                continue
            stats.append((os.fspath(path), status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
        return version, self.config.SerializeToString(deterministic=True), tuple(stats)


def read_plain_model(root: Path, name: str) -> PlainModel:
    """One of other people's models.

    Raises:
        RepositoryError: no such folder, a link out of the repository, or a config that cannot be read or is another's.
    """
    folder = root / name
    if not has_name_form(name) or not folder.is_dir():
        raise RepositoryError(f"no model {name!r}", where=root)
    require_in_repository(root, folder)
    config = model_config_pb2.ModelConfig()
    if (folder / CONFIG_FILE).exists():
        require_in_repository(root, folder / CONFIG_FILE)
        config = read_config(folder / CONFIG_FILE)
    if config.name not in ("", name):
        raise RepositoryError(
            f"unexpected directory name '{name}' for model '{config.name}', directory name must equal model name"
        )
    config.name = name
    versions = versions_in(folder)
    if not versions and not (folder / CONFIG_FILE).exists():
        raise RepositoryError("no config.pbtxt")
    _fill_in(config, folder / str(versions[0]) if versions else None)
    return PlainModel(name, root, folder, config, served_versions(config, versions))


def _fill_in(config: ModelConfig, version: Path | None) -> None:
    """The backend, platform and file, by Triton's rules (core's AutoCompleteBackendFields)."""
    said_nothing = not (config.platform or config.backend or config.default_model_filename)
    if not config.backend:
        if config.platform == PLATFORM or config.default_model_filename == MODEL_FILE:
            config.backend = BACKEND
        elif said_nothing and version is not None:
            there = [backend for file, backend in _OTHERS.items() if (version / file).exists()]
            config.backend = BACKEND if (version / MODEL_FILE).exists() else (there or [""])[0]
    if config.backend == BACKEND:
        config.platform = config.platform or PLATFORM
        config.default_model_filename = config.default_model_filename or MODEL_FILE
