"""A run read back from its folder: its branch, preprocessing, configuration and facts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load

from artifact.attributes import Attributes
from artifact.errors import LookalikeError, RunError, UsageError
from artifact.images.preprocessing import Preprocessing
from trainer.config.begun import with_former
from trainer.config.config import TrainConfig, make_config
from trainer.networks.base_networks import BaseNetwork, build_base, make_branch, make_preprocessing
from trainer.networks.branch import Branch
from trainer.networks.stages import Stages
from trainer.run.folder import CHECKPOINT, CONFIG, FACTS


@dataclass(frozen=True, kw_only=True)
class Run:
    """A trained branch and everything that export, scoring and a reader of the artifact must know of it.

    Attributes:
        path: the run folder.
        config: as used, nothing left open.
        branch: in evaluation mode, on the CPU.
        preprocessing: size, fit, mean and std of its input.
        facts: the content of facts.json.
        checkpoint_sha256: hexadecimal, of the very bytes that `branch` was loaded from.
        stages: of the base network.
    """

    path: Path
    config: TrainConfig
    branch: Branch
    preprocessing: Preprocessing
    facts: dict[str, Any]
    checkpoint_sha256: str
    stages: Stages

    @property
    def kind(self) -> str:
        return self.config.kind

    @property
    def embedding_dim(self) -> int:
        return self.config.dim

    @property
    def distance(self) -> str:
        return self.config.distance

    @property
    def normalized(self) -> bool:
        return bool(self.config.normalize)

    @property
    def margin(self) -> float | None:
        return self.config.margin

    @property
    def base(self) -> dict[str, Any]:
        """{name, source, weights, pretrained, licence} of the base network."""
        base: dict[str, Any] = self.facts["base"]
        return base

    @property
    def threshold(self) -> dict[str, Any] | None:
        """The decision threshold on held-out pairs, or None where nothing was held out or training was cut short."""
        threshold: dict[str, Any] | None = self.facts.get("threshold")
        return threshold

    @property
    def attributes(self) -> Attributes | None:
        """Those of a run with two towers, or None."""
        return attributes_in(self.facts, where=self.path)

    @property
    def prefixes(self) -> list[dict[str, Any]]:
        """{dims, metrics, rests_on, threshold, ...} of each prefix of a vector that is one too; none of most runs."""
        return list(self.facts.get("prefixes") or [])


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """What a run folder holds, read: enough for the run on a machine that does not see the folder."""

    config: TrainConfig
    facts: dict[str, Any]
    checkpoint: bytes


def load_run(path: Path) -> Run:
    """Read a run folder; raises RunError where it is missing, unfinished before its first epoch, or damaged."""
    path = Path(path)
    return open_run(path, read_run_files(path))


def read_run_files(path: Path) -> RunFiles:
    """Read the files of a run; raises RunError where one is missing or damaged, but for the checkpoint's content."""
    if not path.is_dir():
        got = "a file" if path.exists() else "nothing there"
        raise RunError("run", expected="a folder that lookalike train wrote", got=got, where=path)
    config = read_config(path)
    facts = read_facts(path)
    if not (path / CHECKPOINT).is_file():
        raise RunError("run", expected=CHECKPOINT, got="none", where=path, mend="no epoch was finished; train again")
    return RunFiles(config=config, facts=facts, checkpoint=_read_checkpoint(path / CHECKPOINT))


def open_run(path: Path, files: RunFiles) -> Run:
    """The run of these files; `path` is where they lie, here or elsewhere. Raises RunError for a checkpoint of another
    network or none."""
    config = files.config
    with torch.random.fork_rng(devices=[]):  # building draws first weights; the caller's randomness is not ours
        base = _rebuild_base(path, config, files.facts["base"])
        branch = make_branch(config, base, attributes_in(files.facts, where=path))
    return Run(
        path=path,
        config=config,
        checkpoint_sha256=_put_weights(branch, files.checkpoint, path / CHECKPOINT),
        branch=branch.eval(),
        preprocessing=make_preprocessing(config, base),
        facts=files.facts,
        stages=base.stages,
    )


def _rebuild_base(path: Path, config: TrainConfig, facts: Mapping[str, Any]) -> BaseNetwork:
    try:
        base = build_base(config.network, size=config.size, cut=config.cut, pooling=config.pooling)
    except UsageError as error:  # a user's own module that is not there any more, another version of timm
        raise RunError("base network of the run", got=str(error), where=path) from None
    return replace(base, mean=tuple(facts.get("mean", base.mean)), std=tuple(facts.get("std", base.std)))


def read_config(path: Path) -> TrainConfig:
    """The configuration of a run folder; raises RunError."""
    try:
        values = yaml.safe_load((path / CONFIG).read_text())
        if not isinstance(values, dict):
            raise ValueError(f"{type(values).__name__} instead of settings")
        return make_config(with_former(values))
    except FileNotFoundError:
        raise RunError("run", expected=CONFIG, got="none", where=path, mend="is this a run folder?") from None
    except (LookalikeError, OSError, ValueError, yaml.YAMLError) as error:
        raise RunError(f"{CONFIG} of a run", expected="readable settings", got=_reason(error), where=path) from None


def read_facts(path: Path) -> dict[str, Any]:
    """The facts of a run folder; raises RunError."""
    try:
        facts = json.loads((path / FACTS).read_text())
    except (OSError, ValueError) as error:
        raise RunError(f"{FACTS} of a run", expected="readable JSON", got=_reason(error), where=path) from None
    if not isinstance(facts, dict) or not isinstance(facts.get("base"), dict):
        raise RunError(f"{FACTS} of a run", expected="the facts of a run", got="something else", where=path)
    return facts


def attributes_in(facts: Mapping[str, Any], *, where: Path) -> Attributes | None:
    """The attributes that the facts of a run with two towers say, or None; raises RunError."""
    if "attributes" not in facts:
        return None
    try:
        return Attributes.from_dict(facts["attributes"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(f"attributes in {FACTS}", expected="those of a run", got=repr(error), where=where) from None


def load_weights(branch: Branch, file: Path) -> str:
    """Read a checkpoint into the branch; raises RunError where it is damaged or of another network.

    Returns:
        SHA-256 of the file, hexadecimal.
    """
    return _put_weights(branch, _read_checkpoint(file), file)


def _read_checkpoint(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise RunError("checkpoint", expected="a whole safetensors file", got=_reason(error), where=file) from None


def _put_weights(branch: Branch, content: bytes, file: Path) -> str:
    """Put the content of a checkpoint into the branch; returns its SHA-256; raises RunError."""
    try:
        tensors = load(content)
    except (SafetensorError, ValueError) as error:
        raise RunError("checkpoint", expected="a whole safetensors file", got=_reason(error), where=file) from None
    own = branch.state_dict()
    odd = [key for key in own if key not in tensors or tensors[key].shape != own[key].shape]
    odd += [key for key in tensors if key not in own]
    if odd:
        key = odd[0]
        expected = f"{key} {list(own[key].shape)}" if key in own else f"no {key}"
        got = f"{list(tensors[key].shape)}" if key in tensors else "none"
        mend = f"{CONFIG} and {CHECKPOINT} are of two runs"
        raise RunError("checkpoint", expected=expected, got=got, where=file, mend=mend)
    branch.load_state_dict(tensors)
    return hashlib.sha256(content).hexdigest()


def _reason(error: Exception) -> str:
    """Its words without the path, which the message says once."""
    return getattr(error, "strerror", None) or str(error)
