"""Calls of everything but inferences that are refused, or taken though they look odd: a row each, over gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tritonclient.grpc import service_pb2 as messages

from tests.shared.conformance.served import Refusal

_Parameter = messages.ModelRepositoryParameter
ANSWERED = None
"""The call is answered, whatever the answer."""


@dataclass(frozen=True)
class MethodCase:
    """A call; its refusal by Triton 2.51, or ANSWERED; and `ours` with the reason where it is another."""

    method: str
    fields: dict[str, Any]
    triton: Refusal | None
    ours: Refusal | None = ANSWERED
    why: str = ""

    def expected(self, server: str) -> Refusal | None:
        """What a server must say: `triton` or `embedded`."""
        return self.ours if self.why and server == "embedded" else self.triton


def _unknown(name: str, version: str = "") -> Refusal:
    return "NOT_FOUND", f"Request for unknown model: '{name}'{version and f' version {version}'} is not found"


def _no_number(text: str) -> Refusal:
    return (
        "INVALID_ARGUMENT",
        f"failed to get model version from specified version string '{text}' (details: stol), version should be an "
        "integral value > 0",
    )


_NEGATIVE = ("INVALID_ARGUMENT", "invalid model version specified '-1' , version should be an integral value > 0")
_REPOSITORY = ("UNIMPLEMENTED", "'repository_name' specification is not supported")
_MEMORY = (
    "UNIMPLEMENTED",
    "Client shared memory is disabled. This server has no option to enable it: send the data in the request.",
)
_TRACING = ("UNIMPLEMENTED", "tracing is not supported")
_LOGGING = ("UNIMPLEMENTED", "log settings cannot be read or changed over the network")
_HUGE = "99999999999999999999"
PREFIX = "A version is a number and nothing behind it; 2.51 reads its digits."
MEMORY = "Shared memory is off, as newer Tritons have it by default."
SETTINGS = "Traces and logs are not set over the network (CVE-2024-0087, CVE-2024-0095)."
OVERRIDE = "A model's config and files come from the repository only (CVE-2024-0087)."


def _override(key: str) -> Refusal:
    return "UNIMPLEMENTED", f"a model's config and files come from the repository only: got '{key}'"


def _versions(method: str) -> dict[str, MethodCase]:
    """Versions that are none, as every method that takes one reads them."""
    zero = {
        "ModelReady": ANSWERED,
        "ModelStatistics": ("INVALID_ARGUMENT", "requested model version is not available for model 'pets'"),
    }
    return {
        f"{method} of version 0": MethodCase(
            method, {"name": "pets", "version": "0"}, zero.get(method, _unknown("pets", "0"))
        ),
        f"{method} of version -1": MethodCase(method, {"name": "pets", "version": "-1"}, _NEGATIVE),
        f"{method} of version 01": MethodCase(method, {"name": "pets", "version": "01"}, ANSWERED),
        f"{method} of version ' 1'": MethodCase(method, {"name": "pets", "version": " 1"}, ANSWERED),
        f"{method} of a huge version": MethodCase(method, {"name": "pets", "version": _HUGE}, _no_number(_HUGE)),
        f"{method} of version 1x": MethodCase(
            method, {"name": "pets", "version": "1x"}, ANSWERED, _no_number("1x"), PREFIX
        ),
    }


CASES: dict[str, MethodCase] = {
    "ModelReady without a name": MethodCase("ModelReady", {"name": ""}, ANSWERED),
    "ModelMetadata without a name": MethodCase("ModelMetadata", {"name": ""}, _unknown("")),
    "ModelConfig without a name": MethodCase("ModelConfig", {"name": ""}, _unknown("")),
    "ModelStatistics of all, with a version": MethodCase("ModelStatistics", {"version": "1"}, ANSWERED),
    **_versions("ModelReady"),
    **_versions("ModelMetadata"),
    **_versions("ModelConfig"),
    **_versions("ModelStatistics"),
    "RepositoryIndex of a repository": MethodCase("RepositoryIndex", {"repository_name": "foo"}, _REPOSITORY),
    "load from a repository": MethodCase(
        "RepositoryModelLoad", {"model_name": "pets", "repository_name": "foo"}, _REPOSITORY
    ),
    "load with a parameter": MethodCase(
        "RepositoryModelLoad",
        {"model_name": "pets", "parameters": {"foo": _Parameter(string_param="x")}},
        ("INVALID_ARGUMENT", "unrecognized load parameter 'foo'."),
    ),
    "load with a config that is a number": MethodCase(
        "RepositoryModelLoad",
        {"model_name": "pets", "parameters": {"config": _Parameter(int64_param=3)}},
        ("INVALID_ARGUMENT", "invalid value type for load parameter 'config', expected string_param."),
        _override("config"),
        OVERRIDE,
    ),
    "load with a file": MethodCase(
        "RepositoryModelLoad",
        {"model_name": "pets", "parameters": {"file:1/model.onnx": _Parameter(bytes_param=b"x")}},
        ("INTERNAL", "failed to load 'pets', failed to poll from model repository"),
        _override("file:1/model.onnx"),
        OVERRIDE,
    ),
    "load of a path": MethodCase(
        "RepositoryModelLoad",
        {"model_name": "a/b"},
        ("INTERNAL", "failed to load 'a/b', failed to poll from model repository"),
    ),
    "unload from a repository": MethodCase(
        "RepositoryModelUnload", {"model_name": "pets", "repository_name": "foo"}, _REPOSITORY
    ),
    "unload without a name": MethodCase("RepositoryModelUnload", {"model_name": ""}, ANSWERED),
    "unload of an unknown model": MethodCase("RepositoryModelUnload", {"model_name": "nope"}, ANSWERED),
    "unload with a parameter": MethodCase(
        "RepositoryModelUnload",
        {"model_name": "nope", "parameters": {"foo": _Parameter(string_param="x")}},
        ANSWERED,
    ),
    "unload with dependents that are text": MethodCase(
        "RepositoryModelUnload",
        {"model_name": "nope", "parameters": {"unload_dependents": _Parameter(string_param="x")}},
        ("INVALID_ARGUMENT", "invalid value type for 'unload_dependents' parameter, expected bool_param."),
    ),
    "status of shared memory": MethodCase("SystemSharedMemoryStatus", {}, ANSWERED),
    "status of a region": MethodCase(
        "SystemSharedMemoryStatus", {"name": "r"}, ("NOT_FOUND", "Unable to find system shared memory region: 'r'")
    ),
    "register a region": MethodCase(
        "SystemSharedMemoryRegister",
        {"name": "r", "key": "/x", "byte_size": 10},
        ("INTERNAL", "Unable to open shared memory region: '/x'"),
        _MEMORY,
        MEMORY,
    ),
    "unregister all regions": MethodCase("SystemSharedMemoryUnregister", {}, ANSWERED, _MEMORY, MEMORY),
    "unregister a region": MethodCase("SystemSharedMemoryUnregister", {"name": "r"}, ANSWERED, _MEMORY, MEMORY),
    "status of CUDA's shared memory": MethodCase("CudaSharedMemoryStatus", {}, ANSWERED),
    "status of a region of CUDA": MethodCase(
        "CudaSharedMemoryStatus", {"name": "r"}, ("NOT_FOUND", "Unable to find cuda shared memory region: 'r'")
    ),
    "register a region of CUDA": MethodCase(
        "CudaSharedMemoryRegister",
        {"name": "r", "raw_handle": b"x", "byte_size": 10},
        ("INVALID_ARGUMENT", "failed to register shared memory region: invalid args"),
        _MEMORY,
        MEMORY,
    ),
    "unregister all regions of CUDA": MethodCase("CudaSharedMemoryUnregister", {}, ANSWERED, _MEMORY, MEMORY),
    "traces": MethodCase("TraceSetting", {}, ANSWERED, _TRACING, SETTINGS),
    "traces of an unknown model": MethodCase(
        "TraceSetting",
        {"model_name": "nope"},
        ("INVALID_ARGUMENT", "Request for unknown model : nope"),
        _TRACING,
        SETTINGS,
    ),
    "logs": MethodCase("LogSettings", {}, ANSWERED, _LOGGING, SETTINGS),
}
