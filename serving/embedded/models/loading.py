"""The loading of a published model into memory: each version verified, companions checked against the artifact."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from artifact.errors import LookalikeError, RepositoryError
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
from serving.embedded.models.decoding import Decoder
from serving.embedded.models.model_config import network_fingerprint, require_same_tensors
from serving.embedded.models.servables import Decode, Encoded, Network, Servable
from serving.embedded.options import ServerOptions


@dataclass
class Loaded:
    """A model in memory.

    Attributes:
        networks: {version: network} of NAME.
        servables: {addressable name: {version: servable}}.
        configs: {addressable name: its config}.
        failures: {(addressable name, version): reason} of what should be served and is not; version 0 where the
            reason is of no one version.
    """

    networks: dict[int, Network] = field(default_factory=dict)
    servables: dict[str, dict[int, Servable]] = field(default_factory=dict)
    configs: dict[str, ModelConfig] = field(default_factory=dict)
    failures: dict[tuple[str, int], str] = field(default_factory=dict)

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key[1] in self.servables.get(key[0], {})

    def close_except(self, kept: Mapping[int, Network]) -> None:
        """Free the networks that nothing else uses."""
        for version, network in self.networks.items():
            if kept.get(version) is not network:
                network.close()


def load_model(
    published: PublishedModel, options: ServerOptions, decoder: Decoder, *, reuse: Mapping[int, Network]
) -> Loaded:
    """Load what a model's config says is served; versions of `reuse` that did not change are not loaded again.

    Raises:
        RepositoryError: a companion's config cannot be read.
    """
    loaded = Loaded(configs={published.name: published.config})
    if not published.served:
        loaded.failures[published.name, 0] = "no version is served: none is there, or version_policy names none"
    for version in published.served:
        there = reuse.get(version)
        try:
            unchanged = there is not None and there.fingerprint == network_fingerprint(published, version)
            loaded.networks[version] = there if there and unchanged else Network(published, version, options)
        except LookalikeError as error:
            loaded.failures[published.name, version] = str(error)
        except Exception as error:  # a hostile file that proves itself may still raise anything: it stops itself only
            loaded.failures[published.name, version] = f"{type(error).__name__}: {error}"
    loaded.servables[published.name] = dict(loaded.networks)
    if loaded.networks:
        _load_companions(loaded, published, options, decoder)
    return loaded


def _load_companions(loaded: Loaded, published: PublishedModel, options: ServerOptions, decoder: Decoder) -> None:
    network = loaded.networks[max(loaded.networks)]
    decode_version = _companion(loaded, published, network.manifest, DECODE_SUFFIX, decode_config)
    if decode_version is None:
        return
    name = published.name + DECODE_SUFFIX
    limits = server_limits(
        published.folder.with_name(name),
        decode_version,
        max_megapixels=options.max_megapixels,
        max_image_mb=options.max_image_mb,
    )
    decode = Decode(name, decode_version, loaded.configs[name], network, decoder, limits)
    loaded.servables[name] = {decode_version: decode}
    encoded_version = _companion(loaded, published, network.manifest, ENCODED_SUFFIX, encoded_config)
    if encoded_version is not None:
        name = published.name + ENCODED_SUFFIX
        encoded = Encoded(name, encoded_version, loaded.configs[name], network, decode)
        loaded.servables[name] = {encoded_version: encoded}


def _companion(
    loaded: Loaded,
    published: PublishedModel,
    manifest: Manifest,
    suffix: str,
    expected: Callable[[str, Manifest], ModelConfig],
) -> int | None:
    """The version of a companion that is served, its config noted; None if it is not there or not sound."""
    name = published.name + suffix
    folder: Path = published.folder.with_name(name)
    if not (folder / CONFIG_FILE).is_file():
        return None
    try:
        config = read_config(folder / CONFIG_FILE)
        require_same_tensors(config, expected(published.name, manifest), where=folder)
        versions = served_versions(config, versions_in(folder))
    except RepositoryError as error:
        loaded.failures[name, 0] = str(error)
        return None
    if not versions:
        loaded.failures[name, 0] = "no version is served"
        return None
    loaded.configs[name] = config
    return versions[-1]
