"""Records of what runs a model fastest on this machine, in the user's cache folder: one file a digest and machine.

Decisions a reader would question:
- A record counts only where the operator says nothing: an instance count, a number of threads, a preferred size in the
  config, or `--threads`, and the model runs as they say. `lookalike tune` writes such settings.
- The cache and not the repository: who serves need not be allowed to write there, and machines differ.
- A record that is damaged, or of another machine, is as good as none: it is measured again.
"""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path
from typing import Any

from tritonclient.grpc import model_config_pb2

from artifact.atomic import write_atomically
from artifact.cache_folder import cache_folder
from artifact.images.cores import available_cores
from artifact.repository.triton_config import MAX_BATCH_SIZE
from artifact.repository.tuning import INTRA_THREADS, TUNING_PARAMETER, ModelConfig, Tuning, apply_tuning
from serving.embedded.options import ServerOptions

TUNED_PARAMETER = "lookalike.tuned"
"""Parameter of the config that a server answers with: that its settings were measured here, and what was measured."""
_FORMAT = 2
"""Of the file and of what is measured: 2 since threads spin for a moment, and runs that come alone have all cores."""
_CHOSEN = ("instances", "threads", "preferred_rows")
_GROUP = model_config_pb2.ModelInstanceGroup
_UNSAID_GROUPS: tuple[list[Any], ...] = ([], [_GROUP(count=1, kind=_GROUP.KIND_AUTO)], [_GROUP(kind=_GROUP.KIND_AUTO)])
"""Instance groups that say nothing: none, and what export writes."""


class Record:
    """The place where the tuning of one artifact on this machine is kept.

    Args:
        digest: of the artifact.
        device: `cpu` or `cuda`.

    Attributes:
        machine: all that the figures depend on, besides the artifact.
        path: of the file; None where this user has no cache folder.
    """

    def __init__(self, digest: str, device: str) -> None:
        self.digest, self.device = digest, device
        self.cores = available_cores()
        self.machine = machine(device, self.cores)
        folder = cache_folder("tuning")
        key = hashlib.sha256(json.dumps(self.machine, sort_keys=True).encode()).hexdigest()[:16]
        self.path: Path | None = folder / f"{digest[:16]}-{key}.json" if folder else None

    def read(self) -> Tuning | None:
        """What was measured; None where nothing was, or the file cannot be believed."""
        try:
            facts = json.loads(self.path.read_bytes()) if self.path else {}
            if (facts["format"], facts["digest"], facts["machine"]) != (_FORMAT, self.digest, self.machine):
                return None
            chosen, record = facts["chosen"], facts["record"]
            counts = {name: int(chosen[name]) for name in _CHOSEN}
            tuning = Tuning(device=self.device, record=record, **counts)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        fits = (
            isinstance(record, dict)
            and 1 <= tuning.instances <= self.cores
            and 0 <= tuning.threads <= self.cores
            and 1 <= tuning.preferred_rows <= MAX_BATCH_SIZE
        )
        return tuning if fits else None

    def write(self, tuning: Tuning) -> None:
        """Keep a tuning, whole or not at all. Raises OutputError."""
        if self.path is None:
            return
        chosen = {name: getattr(tuning, name) for name in _CHOSEN}
        facts = {"format": _FORMAT, "digest": self.digest, "machine": self.machine, "chosen": chosen}
        text = json.dumps(facts | {"record": tuning.record}, indent=1, sort_keys=True)
        write_atomically(self.path, (text + "\n").encode())


def record_for(config: ModelConfig, digest: str, options: ServerOptions) -> Record | None:
    """The record that decides how a model runs; None where the config or the operator does."""
    batching = config.dynamic_batching
    says_nothing = (
        list(config.instance_group) in _UNSAID_GROUPS
        and INTRA_THREADS not in config.parameters
        and TUNING_PARAMETER + options.device not in config.parameters
        and config.HasField("dynamic_batching")
        and not batching.preferred_batch_size
        and config.max_batch_size > 1
        and options.threads is None
    )
    return Record(digest, options.device) if options.auto_tune and says_nothing else None


def with_measured(config: ModelConfig, tuned: Tuning) -> ModelConfig:
    """A config with the settings by which its model runs, so that clients know how many requests keep it busy."""
    answered = model_config_pb2.ModelConfig()
    answered.CopyFrom(config)
    apply_tuning(answered, tuned)
    text = json.dumps(tuned.record, sort_keys=True, separators=(",", ":"))
    answered.parameters[TUNED_PARAMETER].string_value = text
    return answered


def machine(device: str, cores: int) -> dict[str, Any]:
    """What the speed of a model depends on: the device, the processor, the cores that may be used, onnxruntime."""
    import onnxruntime

    processor = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        processor = names[0] if names else processor
    return {"device": device, "processor": processor, "cores": cores, "onnxruntime": onnxruntime.__version__}


def in_words(tuning: Tuning) -> str:
    """How a model runs: "2 instances of 1 thread, batches of 4"."""
    instances = f"{tuning.instances} instance{'s' if tuning.instances > 1 else ''}"
    threads = f" of {tuning.threads} thread{'s' if tuning.threads > 1 else ''}" if tuning.threads else ""
    return f"{instances}{threads}, batches of {tuning.preferred_rows}"
