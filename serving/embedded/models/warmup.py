"""The warm-up of a model before it is ready, so that its first request costs no more than the next.

A session plans its memory, and a GPU loads its kernels, with the first run of a shape. Of our own networks every
instance runs zeros, one row and as many as its config prefers; its golden images have run before, in the first. Other
people's models run what `model_warmup` of their config says, as in Triton, and nothing else: only they know what they
take. What fails stops the load.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import AnyArray
from artifact.errors import LookalikeError, RepositoryError
from artifact.model.manifest import Manifest
from serving.embedded.models.folders import inside
from serving.embedded.models.instances import Pool
from serving.embedded.models.model_config import datatype_of
from serving.embedded.requests.signature import Signature
from serving.embedded.requests.tensors import DTYPES, TensorSpec, split_strings, strings_array
from serving.protocol import BYTES

WARMUP_FOLDER = "warmup"
_MOST_ROWS, _MOST_RUNS = 4096, 1000


def warm_up_network(pool: Pool, manifest: Manifest, preferred_rows: int) -> None:
    """Run every session of an artifact on zeros, one row and `preferred_rows` of them."""
    for num_rows in sorted({1, preferred_rows}):
        feeds = {each.name: np.zeros(each.shape(num_rows), DTYPES[each.datatype]) for each in manifest.inputs}
        for session in pool.all:
            session.run(feeds)


def warm_up_plain(pool: Pool, config: Any, signature: Signature, folder: Path) -> None:
    """Run the samples of a config's `model_warmup` on every session.

    Args:
        folder: of the model, in whose folder `warmup` the files of samples lie.

    Raises:
        RepositoryError: a sample that does not fit the model, a file outside the folder, or a run that fails.
    """
    for sample in config.model_warmup:
        if not sample.batch_size:
            continue  # as in Triton
        try:
            feeds = dict(_sample_feeds(sample, signature, folder))
            for _ in range(min(max(1, sample.count), _MOST_RUNS)):
                for session in pool.all:
                    session.run(feeds)
        except LookalikeError as error:
            raise RepositoryError(f"failed to run warmup sample '{sample.name}': {error}", where=folder) from None


def _sample_feeds(sample: Any, signature: Signature, folder: Path) -> Iterator[tuple[str, AnyArray]]:
    if sample.batch_size > min(max(1, signature.max_rows), _MOST_ROWS):
        raise RepositoryError("batch_size", expected=f"at most {signature.max_rows}", got=str(sample.batch_size))
    specs = {spec.name: spec for spec in signature.inputs}
    missing = [name for name, spec in specs.items() if name not in sample.inputs and not spec.optional]
    unknown = [name for name in sample.inputs if name not in specs]
    if missing or unknown:
        raise RepositoryError("its inputs are not the model's", got=", ".join(missing + unknown))
    for name, given in sample.inputs.items():
        yield name, _array(given, specs[name], sample.batch_size, signature, folder)


def _array(given: Any, spec: TensorSpec, batch_size: int, signature: Signature, folder: Path) -> AnyArray:
    datatype, dims = datatype_of(given.data_type), tuple(given.dims)
    if datatype != spec.datatype or not spec.takes(dims):
        raise RepositoryError(
            f"input {spec.name!r}", expected=f"{spec.datatype} {list(spec.dims)}", got=f"{datatype} {list(dims)}"
        )
    rows = (batch_size,) if signature.max_rows else ()
    if given.WhichOneof("input_data_type") == "input_data_file":
        one = _from_file(given.input_data_file, datatype, spec, dims, signature, folder)
        return np.broadcast_to(one, (*rows, *dims)) if rows else one
    if datatype == BYTES:  # as in Triton random strings are empty ones
        return strings_array([b""] * int(np.prod((*rows, *dims))), (*rows, *dims))
    shape = (*rows, *dims)
    if not given.random_data:
        return np.zeros(shape, DTYPES[datatype])
    draw = np.random.default_rng(0)
    if datatype == "BOOL":
        return draw.integers(0, 2, shape).astype(np.bool_)
    return spec.array(draw.bytes(spec.num_bytes(shape)), shape)


def _from_file(
    name: str, datatype: str, spec: TensorSpec, dims: tuple[int, ...], signature: Signature, folder: Path
) -> AnyArray:
    path = inside(folder / WARMUP_FOLDER, name)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RepositoryError("input_data_file cannot be read", got=error.strerror, where=os.fspath(path)) from None
    if datatype == BYTES:
        place, model = f"input '{spec.name}'", f"model '{signature.model}'"
        return strings_array(split_strings(data, int(np.prod(dims)), label="", place=place, model=model, step=""), dims)
    if len(data) != spec.num_bytes(dims):
        raise RepositoryError(
            f"input_data_file of input {spec.name!r}",
            expected=f"{spec.num_bytes(dims)} bytes",
            got=str(len(data)),
            where=os.fspath(path),
        )
    return spec.array(data, dims)
