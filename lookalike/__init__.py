"""Lookalike: images in class folders to a trained embedding, one artifact, a server, and tables of vectors.

The public names below are loaded when they are first used, so `import lookalike` is cheap and a machine that only
scores needs no torch.
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import Any

__version__ = _version("lookalike")

_HOMES = {
    "TrainConfig": "trainer.config",
    "make_config": "trainer.config",
    "fit": "trainer.loop",
    "load_run": "trainer.run",
    "build": "export.build",
    "deploy": "export.build",
    "publish": "artifact.publishing",
    "rollback": "artifact.publishing",
    "remove": "artifact.publishing",
    "open_repository": "artifact.repository",
    "read_manifest": "artifact.model_file",
    "check_artifact": "serving.check",
    "check_repository": "serving.check",
    "compare_artifacts": "serving.difference",
    "describe": "artifact.description",
    "extract": "artifact.extraction",
    "adopt": "serving.adoption.adopt",
    "Preprocessing": "artifact.preprocessing",
    "load_pixels": "artifact.preprocessing",
    "LookalikeError": "artifact.errors",
    "Server": "serving.embedded.server",
    "Scorer": "serving.client.scorer",
    "AsyncScorer": "serving.client.async_scorer",
    "score_table": "serving.jobs.scoring",
    "Shard": "serving.jobs.shards",
    "merge_shards": "serving.jobs.merging",
    "RayEngine": "serving.on_ray.scoring",
    "RayOptions": "serving.on_ray.resources",
    "embed_dataset": "serving.on_ray.dataset",
    "open_table": "rows.tables",
    "VectorTable": "rows.vectors",
    "Index": "analysis.index",
    "evaluate": "analysis.evaluation",
    "cluster_table": "analysis.clusters",
    "push": "analysis.stores.push",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lookalike' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
