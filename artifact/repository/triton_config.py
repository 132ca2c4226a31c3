"""The config.pbtxt of a model, by tritonclient's own protobuf classes, so that an unknown field is an error at once.

One config serves all versions of a model: `parameters` carry the digest and the manifest of each kept version.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from artifact.atomic import write_atomically
from artifact.errors import RepositoryError
from artifact.model.manifest import Manifest, manifest_from_fields
from artifact.modes import FP32, UINT8, Tensor
from artifact.repository.tuning import ModelConfig as ModelConfig
from artifact.repository.variants import CONFIGS_FOLDER, config_variants

CONFIG_FILE = "config.pbtxt"
DIGEST_PARAMETER = "lookalike.digest."
MANIFEST_PARAMETER = "lookalike.manifest."
MAX_BATCH_SIZE = 64
DECODE_SUFFIX = "_decode"
ENCODED_SUFFIX = "_encoded"
_DATA_TYPES = {UINT8: model_config_pb2.TYPE_UINT8, FP32: model_config_pb2.TYPE_FP32}


def read_config(path: Path) -> ModelConfig:
    """Parse a config.pbtxt; raises RepositoryError naming the file and the line."""
    try:
        return text_format.Parse(path.read_text(), model_config_pb2.ModelConfig())
    except OSError as error:
        raise RepositoryError("cannot read config.pbtxt", got=error.strerror, where=path) from None
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise RepositoryError("config.pbtxt does not parse", got=str(error), where=path) from None


def write_config(path: Path, config: ModelConfig) -> None:
    """Write a config.pbtxt whole or not at all, a network's with its variants for other machines beside it.

    The variants come first: whichever of the files a server reads is a whole state, and config.pbtxt is what counts.

    Raises:
        RepositoryError: a record of tuning that cannot be read, so the variants cannot be made.
        OutputError: a file cannot be written.
    """
    files = {path: config}
    if any(key.startswith(DIGEST_PARAMETER) for key in config.parameters):
        variants = config_variants(config, digest=_served_digest(config), where=path)
        files = {path.parent / CONFIGS_FOLDER / f"{name}.pbtxt": each for name, each in variants.items()} | files
    for file, each in files.items():
        write_atomically(file, text_format.MessageToString(each).encode())


def manifests_in(config: ModelConfig, *, where: object) -> dict[int, Manifest]:
    """The manifests (without goldens) that a config's parameters carry, by version.

    Raises:
        RepositoryError: a parameter of ours that is no version's or no JSON.
        ArtifactError: a manifest that is not sound.
    """
    found = {}
    for key, parameter in config.parameters.items():
        if key.startswith(MANIFEST_PARAMETER):
            try:
                version = int(key.removeprefix(MANIFEST_PARAMETER))
                fields = json.loads(parameter.string_value)
            except (ValueError, RecursionError) as error:
                raise RepositoryError(f"parameter {key!r}", got=str(error), where=where) from None
            found[version] = manifest_from_fields(fields, where=where)
    return dict(sorted(found.items()))


def set_manifest(config: ModelConfig, version: int, manifest: Manifest) -> None:
    """Enter a version's digest and manifest into a config."""
    config.parameters[f"{DIGEST_PARAMETER}{version}"].string_value = manifest.digest
    text = json.dumps(manifest.summary(), sort_keys=True, separators=(",", ":"))
    config.parameters[f"{MANIFEST_PARAMETER}{version}"].string_value = text


def drop_manifest(config: ModelConfig, version: int) -> None:
    """Take a version's entries out of a config."""
    for prefix in (DIGEST_PARAMETER, MANIFEST_PARAMETER):
        config.parameters.pop(f"{prefix}{version}", None)


def serve_latest(config: ModelConfig) -> None:
    """Serve the highest version."""
    config.version_policy.latest.num_versions = 1


def serve_only(config: ModelConfig, version: int) -> None:
    """Serve one version, whatever others there are: what a rollback does."""
    del config.version_policy.specific.versions[:]
    config.version_policy.specific.versions.append(version)


def served_versions(config: ModelConfig, versions: list[int]) -> list[int]:
    """Those of the present versions that the policy serves, ascending."""
    choice = config.version_policy.WhichOneof("policy_choice")
    if choice == "all":
        return sorted(versions)
    if choice == "specific":
        return sorted(set(versions) & set(config.version_policy.specific.versions))
    count = config.version_policy.latest.num_versions if choice == "latest" else 1
    return sorted(versions)[-max(1, count) :]


def _served_digest(config: ModelConfig) -> str | None:
    """The digest of the artifact that a config serves; None if it serves several or none."""
    digests = {
        int(key.removeprefix(DIGEST_PARAMETER)): parameter.string_value
        for key, parameter in config.parameters.items()
        if re.fullmatch(re.escape(DIGEST_PARAMETER) + r"[1-9]\d*", key)
    }
    served = served_versions(config, list(digests))
    return digests[served[0]] if len(served) == 1 else None


def pixels_name(stream: str) -> str:
    """Output of NAME_decode with the pixels of a stream; triton_decode.py, which runs alone, spells it too."""
    return f"{stream}_pixels"


def network_config(name: str, manifest: Manifest) -> ModelConfig:
    """NAME: onnxruntime, uint8 pixels to vectors."""
    config = model_config_pb2.ModelConfig(name=name, backend="onnxruntime", max_batch_size=MAX_BATCH_SIZE)
    _add(config.input, manifest.inputs)
    _add(config.output, manifest.outputs)
    config.instance_group.add(count=1, kind=model_config_pb2.ModelInstanceGroup.KIND_AUTO)  # the CPU default is 2
    config.dynamic_batching.SetInParent()
    serve_latest(config)
    return config


def decode_config(name: str, manifest: Manifest) -> ModelConfig:
    """NAME_decode: python backend, encoded images to uint8 pixels, all streams in one step so that one answer names
    every bad row and stream."""
    config = model_config_pb2.ModelConfig(name=name + DECODE_SUFFIX, backend="python", max_batch_size=MAX_BATCH_SIZE)
    size = manifest.pixels
    for stream in manifest.image_inputs:
        config.input.add(name=stream, data_type=model_config_pb2.TYPE_STRING, dims=[1])
        config.output.add(
            name=pixels_name(stream), data_type=model_config_pb2.TYPE_UINT8, dims=[size.height, size.width, 3]
        )
    config.instance_group.add(count=1, kind=model_config_pb2.ModelInstanceGroup.KIND_CPU)
    serve_latest(config)
    return config


def encoded_config(name: str, manifest: Manifest) -> ModelConfig:
    """NAME_encoded: ensemble of the other two, encoded images to vectors."""
    config = model_config_pb2.ModelConfig(
        name=name + ENCODED_SUFFIX, platform="ensemble", max_batch_size=MAX_BATCH_SIZE
    )
    for stream in manifest.image_inputs:
        config.input.add(name=stream, data_type=model_config_pb2.TYPE_STRING, dims=[1])
    others = [tensor for tensor in manifest.inputs if tensor.name not in manifest.image_inputs]
    _add(config.input, others)
    _add(config.output, manifest.outputs)
    decode = config.ensemble_scheduling.step.add(model_name=name + DECODE_SUFFIX, model_version=-1)
    network = config.ensemble_scheduling.step.add(model_name=name, model_version=-1)
    for stream in manifest.image_inputs:
        decode.input_map[stream] = stream
        decode.output_map[pixels_name(stream)] = pixels_name(stream)
        network.input_map[stream] = pixels_name(stream)
    for tensor in others:
        network.input_map[tensor.name] = tensor.name
    for output in manifest.outputs:
        network.output_map[output.name] = output.name
    return config


def _add(entries: Any, tensors: Iterable[Tensor]) -> None:
    for tensor in tensors:
        dims = [-1 if length is None else length for length in tensor.row_shape]
        entries.add(name=tensor.name, data_type=_DATA_TYPES[tensor.datatype], dims=dims)
