"""The loading of a published model into memory: each version verified, companions checked against the artifact."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from artifact.errors import LookalikeError, RepositoryError, printable
from artifact.model.manifest import Manifest
from artifact.repository.companions import server_limits
from artifact.repository.reading import PublishedModel, versions_in
from artifact.repository.triton_config import (
    CONFIG_FILE,
    DECODE_SUFFIX,
    ENCODED_SUFFIX,
    ModelConfig,
    decode_config,
    encoded_config,
    read_config,
    served_versions,
)
from serving.embedded.cache.cache import RowCache
from serving.embedded.models.batching_config import require_sound_batching
from serving.embedded.models.caching import as_served, encoded_vectors, unused_wish
from serving.embedded.models.decoding import Decoder
from serving.embedded.models.foreign_code import require_no_code
from serving.embedded.models.model_config import network_fingerprint, require_same_tensors
from serving.embedded.models.plain.config import require_valid
from serving.embedded.models.plain.model import PlainModel
from serving.embedded.models.plain.network import PlainNetwork
from serving.embedded.models.servables import Decode, Encoded, Network, Servable
from serving.embedded.options import ServerOptions


@dataclass
class Loaded:
    """A model in memory.

    Attributes:
        is_plain: whether it is another people's.
        networks: {version: network} of NAME.
        plain: {version: network} of another people's model.
        servables: {addressable name: {version: servable}}.
        configs: {addressable name: its config}.
        failures: {(addressable name, version): reason} of what should be served and is not; version 0 where the
            reason is of no one version.
    """

    is_plain: bool = False
    networks: dict[int, Network] = field(default_factory=dict)
    plain: dict[int, PlainNetwork] = field(default_factory=dict)
    servables: dict[str, dict[int, Servable]] = field(default_factory=dict)
    configs: dict[str, ModelConfig] = field(default_factory=dict)
    failures: dict[tuple[str, int], str] = field(default_factory=dict)

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key[1] in self.servables.get(key[0], {})

    def is_empty(self) -> bool:
        """Whether nothing is in memory."""
        return not (self.networks or self.plain)

    def config(self, name: str, version: int) -> ModelConfig:
        """The config of a version of one of the names."""
        return self.plain[version].config if self.is_plain else self.configs[name]

    def close(self, *, but: Loaded | None = None, drain: bool = True) -> None:
        """Free the networks, but for those that are another's too."""
        kept = {id(network) for network in but.in_memory()} if but else set()
        for network in self.in_memory():
            if id(network) not in kept:
                network.close(drain=drain)

    def in_memory(self) -> list[Network | PlainNetwork]:
        """The networks, ours or another people's."""
        return [*self.networks.values(), *self.plain.values()]


def load_plain(model: PlainModel, options: ServerOptions, *, reuse: Mapping[int, PlainNetwork]) -> Loaded:
    """Load another people's model; versions of `reuse` that did not change are not loaded again.

    Raises:
        RepositoryError: a config that Triton cannot read either.
    """
    require_valid(model.config, where=model.folder)
    loaded = Loaded(is_plain=True, configs={model.name: model.config})
    if not model.served:
        loaded.failures[model.name, 0] = (
            f"at least one version must be available under the version policy of model '{model.name}'"
        )
    for version in model.served:
        there = reuse.get(version)
        try:
            unchanged = there is not None and there.fingerprint == model.fingerprint(version)
            loaded.plain[version] = there if there and unchanged else PlainNetwork(model, version, options)
        except RepositoryError as error:  # its config does not fit; as Triton says it
            loaded.failures[model.name, version] = f"Invalid argument: {error}"
        except LookalikeError as error:
            loaded.failures[model.name, version] = str(error)
        except Exception as error:  # whatever a hostile file may raise: it stops itself only
            loaded.failures[model.name, version] = f"{type(error).__name__}: {error}"
    loaded.servables[model.name] = dict(loaded.plain)
    return loaded


def load_model(
    published: PublishedModel,
    options: ServerOptions,
    decoder: Decoder,
    cache: RowCache | None = None,
    *,
    reuse: Mapping[int, Network],
) -> Loaded:
    """Load what a model's config says is served; versions of `reuse` that did not change are not loaded again.

    Raises:
        RepositoryError: a config that contradicts itself, a companion's that cannot be read, or NAME's names code or
            files besides the model's.
    """
    require_no_code(published.config, where=published.folder)
    require_sound_batching(published.config, where=published.folder)
    loaded = Loaded(configs={published.name: published.config})
    if not published.served:
        loaded.failures[published.name, 0] = "no version is served: none is there, or version_policy names none"
    for version in published.served:
        there = reuse.get(version)
        try:
            unchanged = there is not None and there.fingerprint == network_fingerprint(published, version)
            loaded.networks[version] = there if there and unchanged else Network(published, version, options, cache)
        except LookalikeError as error:
            loaded.failures[published.name, version] = str(error)
        except Exception as error:  # a hostile file that proves itself may still raise anything: it stops itself only
            loaded.failures[published.name, version] = printable(f"{type(error).__name__}: {error}")
    loaded.servables[published.name] = dict(loaded.networks)
    if any(network.manifest.has_companions for network in loaded.networks.values()):
        _load_companions(loaded, published, options, decoder, cache)
    for name in loaded.servables:
        if line := unused_wish(cache, name, loaded.configs[name]):
            options.report(line)
        if not name.endswith(DECODE_SUFFIX):
            loaded.configs[name] = as_served(cache, loaded.configs[name], published.config)
    return loaded


def _load_companions(
    loaded: Loaded, published: PublishedModel, options: ServerOptions, decoder: Decoder, cache: RowCache | None
) -> None:
    """The versions of the two companions, each as its own config says; both run the newest network."""
    network = loaded.networks[max(loaded.networks)]
    decodes: dict[int, Servable] = {}
    name = published.name + DECODE_SUFFIX
    for version in _companion(loaded, published, network.manifest, DECODE_SUFFIX, decode_config):
        limits = server_limits(
            published.folder.with_name(name),
            version,
            max_megapixels=options.max_megapixels,
            max_image_mb=options.max_image_mb,
        )
        decodes[version] = decode = Decode(name, version, loaded.configs[name], network, decoder, limits)
    if not decodes:
        return
    loaded.servables[name] = decodes
    name = published.name + ENCODED_SUFFIX
    versions = _companion(loaded, published, network.manifest, ENCODED_SUFFIX, encoded_config)
    if versions:
        config = loaded.configs[name]
        steps = {step.model_name: step.model_version for step in config.ensemble_scheduling.step}
        network_step = steps.get(published.name, -1)
        if network_step > 0 and network_step not in loaded.networks:
            loaded.failures[name, 0] = (
                f"its step names version {network_step} of {published.name!r}, which is not served"
            )
            return
        network = loaded.networks[network_step] if network_step > 0 else network
        kept = functools.partial(encoded_vectors, cache, config, published.config, network.manifest, limits)
        loaded.servables[name] = {each: Encoded(name, each, config, network, decode, kept) for each in versions}


def _companion(
    loaded: Loaded,
    published: PublishedModel,
    manifest: Manifest,
    suffix: str,
    expected: Callable[[str, Manifest], ModelConfig],
) -> list[int]:
    """The versions of a companion that are served, its config noted; none if it is not there or not sound."""
    name = published.name + suffix
    folder: Path = published.folder.with_name(name)
    if not (folder / CONFIG_FILE).is_file():
        return []
    try:
        config = read_config(folder / CONFIG_FILE)
        require_same_tensors(config, expected(published.name, manifest), where=folder)
        versions = served_versions(config, versions_in(folder))
    except RepositoryError as error:
        loaded.failures[name, 0] = str(error)
        return []
    if not versions:
        loaded.failures[name, 0] = "no version is served"
        return []
    loaded.configs[name] = config
    return versions
