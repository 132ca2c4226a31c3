"""Lookalike: images in class folders to a trained embedding, one artifact, a server, and tables of vectors.

cli.py is the command line, commands/ one file a command, results/ what they print (console.py: its forms; progress.py:
bars and lines while they work), demo/ the whole journey on real images. The public names below are loaded when they
are first used, so `import lookalike` is cheap and a machine that only scores needs no torch. Nothing here computes:
what a command answers comes from the rooms below, which any program can call as it does.
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import Any

__version__ = _version("lookalike")

_HOMES = {
    "TrainConfig": "trainer.config.config",
    "make_config": "trainer.config.config",
    "fit": "trainer.loop.fit",
    "load_run": "trainer.run.saved_run",
    "build": "export.build",
    "deploy": "export.build",
    "publish": "artifact.repository.publishing",
    "rollback": "artifact.repository.publishing",
    "remove": "artifact.repository.publishing",
    "open_repository": "artifact.repository.reading",
    "read_manifest": "artifact.model.file",
    "check_artifact": "serving.check",
    "check_repository": "serving.check",
    "compare_artifacts": "serving.difference",
    "describe": "artifact.model.description",
    "extract": "artifact.repository.extraction",
    "adopt": "export.adoption.adopt",
    "Preprocessing": "artifact.images.preprocessing",
    "load_pixels": "artifact.images.preprocessing",
    "LookalikeError": "artifact.errors",
    "Server": "serving.embedded.server",
    "Scorer": "serving.client.scorer",
    "AsyncScorer": "serving.client.async_scorer",
    "explain": "serving.explanation.occlusion",
    "score_table": "serving.jobs.scoring",
    "Shard": "serving.jobs.shards",
    "merge_shards": "serving.jobs.merging",
    "RayEngine": "serving.on_ray.scoring",
    "RayOptions": "serving.on_ray.resources",
    "embed_dataset": "serving.on_ray.dataset",
    "open_table": "rows.tables",
    "open_attribute_table": "rows.attribute_tables",
    "VectorTable": "rows.vectors.table",
    "Index": "analysis.search.index",
    "evaluate": "analysis.evaluation.labelled_tables",
    "evaluate_attributes": "analysis.evaluation.attribute_tables",
    "cluster_table": "analysis.clusters.table_clusters",
    "push": "rows.stores.push",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lookalike' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
