"""Which vectors of a model a cache keeps: what they depend on besides a row's bytes, and what the config says of it.

Decisions a reader would question:
- The digest stands for the graph, its weights, the preprocessing and the outputs. What has none is not kept: nothing
  says that its outputs are a function of the row.
- NAME and NAME_encoded keep rows apart, by what was sent: a file is looked up before it is decoded.
- A config may say no (`response_cache {}`), and need not say yes: who gives the server a cache wants it used.
- A model that takes other than pixels has none: beside pixels its vectors are not a function of the picture alone, and
  a row of attributes costs no more to run than to look up.
- A model that must keep the order of its answers (`preserve_ordering`) has none: a hit would overtake what waits.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping

from tritonclient.grpc.model_config_pb2 import TYPE_UINT8

from artifact.arrays import AnyArray
from artifact.images.limits import Limits
from artifact.model.manifest import Manifest
from artifact.repository.triton_config import ModelConfig
from serving.embedded.batching.statistics import RunTimes, Statistics, reason_of
from serving.embedded.cache.cache import CachedRows, Lookup, RowCache, Run
from serving.embedded.requests.caller import Caller


class KeptVectors:
    """The vectors of a model through a cache, counted as Triton counts a model with a response cache.

    Args:
        rows: those of the cache.
        statistics: of the model.
        counts_runs: whether runs and their failures are counted here, too; of NAME its batcher does that.
    """

    def __init__(self, rows: CachedRows, statistics: Statistics, *, counts_runs: bool) -> None:
        self._rows, self._statistics, self._counts_runs = rows, statistics, counts_runs

    def infer(self, inputs: Mapping[str, AnyArray], num_rows: int, run: Run, *, caller: Caller) -> dict[str, AnyArray]:
        """{output: [N, width]} of N rows; raises what `run` does, and UnavailableError once nobody waits any more."""
        start_ns, lookup = time.perf_counter_ns(), Lookup()
        try:
            arrays = self._rows.answer(inputs, num_rows, run, caller=caller, lookup=lookup)
        except Exception as error:
            if self._counts_runs or not lookup.num_run:
                why = reason_of(error, otherwise="OTHER" if self._counts_runs else "BACKEND")
                self._statistics.add_failure(time.perf_counter_ns() - start_ns, why)
            raise
        ns = time.perf_counter_ns() - start_ns
        if not lookup.num_run:
            self._statistics.add_hit(num_rows, ns, lookup_ns=lookup.ns)
            return arrays
        if self._counts_runs:
            self._statistics.add_run(lookup.num_run, [0], RunTimes(0, ns - lookup.ns, 0))
        self._statistics.add_miss(num_rows - lookup.num_run, lookup_ns=lookup.ns)
        return arrays


def network_vectors(
    cache: RowCache | None, config: ModelConfig, manifest: Manifest, statistics: Statistics
) -> KeptVectors | None:
    """The vectors of NAME, kept by their pixels; None where they are not kept."""
    if cache is None or not manifest.digest or not _is_kept(cache, config, config):
        return None
    rows = cache.rows_of({"row": "pixels", "digest": manifest.digest}, _widths(manifest))
    return KeptVectors(rows, statistics, counts_runs=False)


def encoded_vectors(
    cache: RowCache | None,
    config: ModelConfig,
    of_network: ModelConfig,
    manifest: Manifest,
    limits: Limits,
    statistics: Statistics,
) -> KeptVectors | None:
    """The vectors of NAME_encoded, kept by their encoded images; None where they are not kept.

    Args:
        config, of_network: of NAME_encoded, and of NAME.
        limits: of the images; what was taken under other ones may have to be refused.
    """
    if cache is None or not manifest.digest or not _is_kept(cache, config, of_network):
        return None
    facts = {"row": "encoded", "digest": manifest.digest, "limits": limits.to_dict()}
    return KeptVectors(cache.rows_of(facts, _widths(manifest)), statistics, counts_runs=True)


def as_served(cache: RowCache | None, config: ModelConfig, of_network: ModelConfig) -> ModelConfig:
    """The config that clients are told: where vectors are kept it says so, as perf_analyzer has to know."""
    if not _is_kept(cache, config, of_network):
        return config
    told = copy.deepcopy(config)
    told.response_cache.enable = True
    return told


def unused_wish(cache: RowCache | None, name: str, config: ModelConfig) -> str:
    """What an operator is told of a config that asks for a cache where the server has none; empty where all is well."""
    if cache is not None or not config.response_cache.enable:
        return ""
    return f"model {name!r} asks for a response cache and the server has none; --cache-mb gives it one"


def _is_kept(cache: RowCache | None, config: ModelConfig, of_network: ModelConfig) -> bool:
    says_no = config.HasField("response_cache") and not config.response_cache.enable
    pixels_alone = all(each.data_type == TYPE_UINT8 for each in of_network.input)
    return cache is not None and pixels_alone and not says_no and not of_network.dynamic_batching.preserve_ordering


def _widths(manifest: Manifest) -> dict[str, int]:
    """{output: float32 numbers of a row}."""
    return {tensor.name: math.prod(tensor.shape(1)) for tensor in manifest.outputs}
