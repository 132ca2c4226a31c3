"""A Ray dataset of images with their vectors beside them, for who works in Ray Data already.

The vectors are a column of FixedSizeList<float32>[n], as in the files that `score` writes: Ray makes a tensor type of
its own of NumPy arrays, which nothing outside Ray reads.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from artifact.errors import DataError
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT
from rows.cells import image_refs, is_image_column
from serving.client.scorer import Scorer
from serving.on_ray.cluster import import_ray
from serving.on_ray.resources import RayOptions, find_room

if TYPE_CHECKING:
    from ray.data import Dataset

ERROR = "embedding_error"
_READERS_CPUS = 1


def embed_dataset(
    dataset: Dataset,
    *,
    column: str,
    model: str,
    repository: str | Path,
    version: int | None = None,
    dims: int | None = None,
    batch_size: int | None = None,
    device: str = "cpu",
    rows_per_call: int = 256,
    options: RayOptions | None = None,
) -> Dataset:
    """The dataset with `embedding` and `embedding_error` added; lazy, as all of Ray Data is.

    Args:
        dataset: of any rows, in the cluster that this process is connected to.
        column: paths that every node can read, or encoded images.
        model, repository, version, dims, batch_size, device: see Scorer; the repository is seen by every node.
        rows_per_call: rows that an actor takes at a time.
        options: but for the address, which the process has.

    Returns:
        `embedding` FixedSizeList<float32>[n], null where the image cannot be read; `embedding_error` string, why, null
        where it could.

    Raises:
        DataError: no such column, or of another type.
        UnavailableError: the cluster has no room for the actors beside one CPU for whoever reads the dataset.
        UsageError, RepositoryError, ArtifactError: see Scorer.
    """
    ray = import_ray()
    served: dict[str, Any] = {
        "repository": os.path.abspath(repository),
        "batch_size": batch_size,
        "device": device,
        "dims": dims,
    }
    with Scorer(model, **served, version=version, threads=1) as scorer:
        scorer.core.require_vectors()
        served["version"] = scorer.version
    _require_column(dataset, column)
    plan = find_room(ray, options or RayOptions(), gpus=1 if device == "cuda" else 0, spare=_READERS_CPUS)
    return dataset.map_batches(
        _Embedder,
        fn_constructor_args=(column, os.getcwd(), model, served | {"threads": plan.cpus}),
        batch_size=rows_per_call,
        batch_format="pyarrow",
        compute=ray.data.ActorPoolStrategy(size=plan.actors),
        num_cpus=plan.cpus,
        num_gpus=plan.gpus,
    )


class _Embedder:
    """An actor with a Scorer that adds the two columns to blocks of a dataset."""

    def __init__(self, column: str, folder: str, model: str, options: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):  # absolute paths need none
            os.chdir(folder)
        self._column, self._folder = column, Path(folder)
        self._scorer = Scorer(model, **options)

    def __call__(self, batch: pa.Table) -> pa.Table:
        refs = image_refs(_chunked(batch[self._column]), self._folder)
        dim = self._scorer.manifest.embedding_dim
        vectors, reasons = np.zeros((len(refs), dim), np.float32), [None] * len(refs)  # type: Any, list[str | None]
        for scored in self._scorer.stream([{BRANCH_INPUT: refs}]):
            vectors[scored.rows] = scored.columns[BRANCH_OUTPUT]
            for row, _, reason in scored.bad:
                reasons[row] = reason
        missing = pa.array([reason is not None for reason in reasons], pa.bool_())
        embedding = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), dim, mask=missing)
        kept = batch.drop_columns([name for name in (BRANCH_OUTPUT, ERROR) if name in batch.column_names])
        return kept.append_column(BRANCH_OUTPUT, embedding).append_column(ERROR, pa.array(reasons, pa.string()))


def _chunked(values: Any) -> pa.ChunkedArray[Any]:
    return values if isinstance(values, pa.ChunkedArray) else pa.chunked_array([values])


def _require_column(dataset: Dataset, column: str) -> None:
    schema = dataset.schema()
    types = dict(zip(schema.names, schema.types, strict=True)) if schema is not None else {}
    if column not in types:
        raise DataError(f'image column "{column}"', expected=f"one of {', '.join(types)}", got="no such column")
    if isinstance(types[column], pa.DataType) and not is_image_column(types[column]):
        raise DataError(f'image column "{column}"', expected="paths or encoded images", got=str(types[column]))
