"""A model server as a Connection: the Open Inference Protocol over gRPC, the embedded server and NVIDIA Triton alike.

The generated stubs are used directly, not tritonclient's own client: calls then take one deadline, can be cancelled by
closing the channel, and cost no second copy of the pixels. Tensors always travel raw.

Who answers is asked of NAME, never of NAME_encoded: an ensemble answers with a version number of its own.
"""

from __future__ import annotations

import json
import re
import struct
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from artifact.errors import LookalikeError, ModelNotFoundError, ServerError, UnavailableError, UsageError
from artifact.kinds import BRANCH_OUTPUT, embedding_name
from artifact.manifest import Manifest, manifest_from_fields
from artifact.preprocessing import BadImagesError, Pixels, parse_bad_images
from artifact.triton_config import DECODE_SUFFIX, DIGEST_PARAMETER, ENCODED_SUFFIX, MANIFEST_PARAMETER
from serving.connection import Outputs
from serving.status import BUSY, status_error

CONNECT_TIMEOUT_S = 3.0
_CONNECT_RETRY_S = 0.3
DIGEST_IN_ANSWER = "lookalike.digest"
_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.max_send_message_length", -1),  # as tritonclient; grpcio's own limit is 4 MiB
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_metadata_size", 64 * 1024),  # a line that names many bad images travels in a header
    ("grpc.use_local_subchannel_pool", 1),  # else a failed connect makes the next one fail unasked for a second
    ("grpc.enable_http_proxy", 0),  # a proxy for web pages is never the way to a model server
]
_FIRST_RETRY_S, _LAST_RETRY_S = 0.02, 1.0
_MIN_IN_FLIGHT, _MAX_IN_FLIGHT = 4, 16


class GrpcConnection:
    """A Connection to a model of a server.

    Args:
        url: HOST:PORT of the gRPC port.
        model: name of the model, without suffix.
        version: default whichever the server serves; if that changes later, calls raise ServerError.
        timeout_s: deadline of every call in seconds.
        connect_timeout_s: how long to wait for the first answer: a server may be starting at this moment.

    Raises:
        UsageError: the URL is not HOST:PORT.
        UnavailableError: nobody answers there.
        ModelNotFoundError: the server has no such model or version.
        ServerError: the model was not published by Lookalike.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        version: int | None = None,
        timeout_s: float = 60.0,
        connect_timeout_s: float = CONNECT_TIMEOUT_S,
    ) -> None:
        self.url, self.model = parse_url(url), model
        self._timeout_s = timeout_s
        self._asked = "" if version is None else str(version)
        self._closed = threading.Event()
        self._channel = grpc.insecure_channel(self.url, options=_OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        try:
            self.version, self._newest = self._first_answer(min(timeout_s, connect_timeout_s))
            config = self._config()
            self.manifest: Manifest = self._read_manifest(config)
        except BaseException:
            self.close()
            raise
        self.digest = self.manifest.digest
        self.max_rows: int | None = max(1, config.max_batch_size)
        instances = sum(group.count for group in config.instance_group)
        self.in_flight = min(max(_MIN_IN_FLIGHT, instances + 1), _MAX_IN_FLIGHT)  # a server never splits a request
        names = [BRANCH_OUTPUT] if self.manifest.is_branch else [embedding_name(s) for s in self.manifest.inputs]
        self._outputs = names

    def run_pixels(self, feeds: Mapping[str, Pixels]) -> Outputs:
        """See Connection."""
        request = self._request(self.model, self._asked)
        for name, pixels in feeds.items():
            request.inputs.add(name=name, datatype="UINT8", shape=pixels.shape)
            request.raw_input_contents.append(pixels.tobytes())
        response = self._infer(request)
        self._require_same(int(response.model_version or 0))
        return self._read_outputs(response)

    def run_encoded(self, feeds: Mapping[str, Sequence[bytes]]) -> Outputs:
        """See Connection. Which version answers is up to NAME_encoded: `confirm` between calls tells."""
        if self.version != self._newest:
            raise UsageError(
                f"encoded images to version {self.version} of {self.model!r}",
                expected=f"version {self._newest}, the one that {self.model + ENCODED_SUFFIX!r} runs",
                where=self.url,
                mend="send pixels instead",
            )
        request = self._request(self.model + ENCODED_SUFFIX, "")
        for name, images in feeds.items():
            request.inputs.add(name=name, datatype="BYTES", shape=[len(images), 1])
            request.raw_input_contents.append(b"".join(struct.pack("<I", len(data)) + data for data in images))
        return self._read_outputs(self._infer(request))

    def confirm(self) -> None:
        """See Connection."""
        version, self._newest = self._versions(self._timeout_s)
        self._require_same(version)
        self._require_same(version, self._read_manifest(self._config()).digest)

    def close(self) -> None:
        """See Connection."""
        self._closed.set()
        self._channel.close()

    def _first_answer(self, timeout_s: float) -> tuple[int, int]:
        """`_versions`, tried again while nobody answers: people start the server and score in one breath."""
        deadline, left_s = time.monotonic() + timeout_s, timeout_s
        while True:
            try:
                return self._versions(left_s)
            except UnavailableError:
                left_s = deadline - time.monotonic() - _CONNECT_RETRY_S
                if left_s <= 0 or self._closed.wait(_CONNECT_RETRY_S):
                    raise

    def _versions(self, timeout_s: float) -> tuple[int, int]:
        """The version that answers, and the newest that is served."""
        request = service_pb2.ModelMetadataRequest(name=self.model)
        metadata = self._call(self._stub.ModelMetadata, request, timeout_s=timeout_s, connecting=True)
        versions = sorted(int(version) for version in metadata.versions)
        answering = int(self._asked) if self._asked else max(versions, default=0)
        if answering not in versions:
            raise self._not_found(answering)
        return answering, versions[-1]

    def _config(self) -> Any:
        request = service_pb2.ModelConfigRequest(name=self.model, version=str(self.version))
        return self._call(self._stub.ModelConfig, request).config

    def _read_manifest(self, config: Any) -> Manifest:
        """The manifest that the model's config carries for the version that answers."""
        text = config.parameters[f"{MANIFEST_PARAMETER}{self.version}"].string_value
        digest = config.parameters[f"{DIGEST_PARAMETER}{self.version}"].string_value
        where = f"{self.url}, version {self.version}"
        companion = re.fullmatch(f"(.+)({ENCODED_SUFFIX}|{DECODE_SUFFIX})", self.model)
        if not text:
            raise ServerError(
                f"model {self.model!r} was not published by lookalike",
                expected=f"a parameter {MANIFEST_PARAMETER}{self.version} in its config",
                got="none",
                where=where,
                mend=f"name {companion[1]!r} instead" if companion else "publish it with `lookalike export`",
            )
        try:
            manifest = manifest_from_fields(json.loads(text), where=where)
        except ValueError as error:
            raise ServerError(f"the manifest of model {self.model!r}", got=str(error), where=where) from None
        if manifest.digest != digest:
            raise ServerError(
                f"the config of model {self.model!r} contradicts itself", expected=f"digest {manifest.digest}",
                got=digest or "none", where=where, mend="publish it again",
            )  # fmt: skip
        return manifest

    def _request(self, model: str, version: str) -> Any:
        request = service_pb2.ModelInferRequest(model_name=model, model_version=version)
        for name in self._outputs:
            request.outputs.add(name=name)
        return request

    def _infer(self, request: Any) -> Any:
        """Run a request; waits and asks again while the server's queue is full, as long as the deadline allows."""
        end, wait_s = time.monotonic() + self._timeout_s, _FIRST_RETRY_S
        while True:
            try:
                response = self._call(self._stub.ModelInfer, request, timeout_s=max(0.001, end - time.monotonic()))
                break
            except ServerError as error:
                is_busy = any(words in str(error) for words in BUSY)
                if not is_busy or time.monotonic() + wait_s > end or self._closed.wait(wait_s):
                    raise
                wait_s = min(_LAST_RETRY_S, 2 * wait_s)
        digest = response.parameters[DIGEST_IN_ANSWER].string_param
        if digest:  # the embedded server says it in every answer, Triton does not
            self._require_same(self.version, digest)
        return response

    def _read_outputs(self, response: Any) -> Outputs:
        """{output: float32 [N, n]} of the raw contents."""
        outputs: Outputs = {}
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=False):
            if output.datatype == "FP32":
                outputs[output.name] = np.frombuffer(raw, "<f4").reshape(tuple(output.shape))
        missing = [name for name in self._outputs if name not in outputs]
        if missing:
            raise ServerError(
                "the server's answer is not whole",
                expected=f"FP32 output {', '.join(missing)}",
                got=", ".join(f"{output.name} {output.datatype}" for output in response.outputs) or "nothing",
                where=self.url,
            )
        return outputs

    def _require_same(self, version: int, digest: str | None = None) -> None:
        if version == self.version and digest in (None, self.digest):
            return
        raise ServerError(
            f"the server changed model {self.model!r} meanwhile",
            expected=f"version {self.version} with digest {self.digest[:12]}",
            got=f"version {version}" + (f" with digest {digest[:12]}" if digest else ""),
            where=self.url,
            mend="vectors of two artifacts must not be mixed: start anew, or ask for one version",
        )

    def _call(
        self, method: Callable[..., Any], request: Any, *, timeout_s: float | None = None, connecting: bool = False
    ) -> Any:
        timeout_s = timeout_s or self._timeout_s
        try:
            return method(request, timeout=timeout_s)
        except grpc.RpcError as error:
            bad = parse_bad_images(error.details() or "") if error.code() is grpc.StatusCode.INVALID_ARGUMENT else []
            if bad:
                raise BadImagesError(bad, len(bad)) from None
            failure = status_error(error, address=self.url, timeout_s=timeout_s, connecting=connecting)
            name = getattr(request, "model_name", self.model)
            raise (self._not_found_name(name) if isinstance(failure, ModelNotFoundError) else failure) from None
        except ValueError as error:  # grpcio's way to say that the channel was closed
            if not self._closed.is_set():
                raise
            raise UnavailableError("the connection is closed", got=str(error), where=self.url) from None

    def _not_found_name(self, name: str) -> LookalikeError:
        if name == self.model:
            return self._not_found(int(self._asked or 0))
        return ModelNotFoundError(f"the server has no model {name!r}", where=self.url, mend="send pixels instead")

    def _not_found(self, version: int) -> LookalikeError:
        """Why NAME does not answer: no such model, no such version, or there and not ready."""
        try:
            index = self._stub.RepositoryIndex(service_pb2.RepositoryIndexRequest(), timeout=self._timeout_s).models
        except grpc.RpcError:  # a server may keep its list to itself
            index = []
        entries = [entry for entry in index if entry.name == self.model]
        served = sorted(int(entry.version or 1) for entry in entries if entry.state == "READY")
        if served:
            there = ", ".join(map(str, served))
            return ModelNotFoundError(
                f"the server has no version {version} of model {self.model!r}",
                expected=f"one of {there}",
                where=self.url,
            )
        if entries:
            reason = next((entry.reason for entry in entries if entry.reason), "not loaded")
            return UnavailableError(f"model {self.model!r} is not ready", got=reason, where=self.url)
        ready = {entry.name for entry in index if entry.state == "READY"}
        names = sorted(ready - {name + suffix for name in ready for suffix in (DECODE_SUFFIX, ENCODED_SUFFIX)})
        return ModelNotFoundError(
            f"the server has no model {self.model!r}",
            expected=f"one of {', '.join(names)}" if names else None,
            where=self.url,
        )


def parse_url(url: str) -> str:
    """HOST:PORT as it stands; raises UsageError for anything else, a scheme included."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})", url)
    if match is None or not 0 < int(match[2]) < 65536:
        raise UsageError(
            f"url {url!r}", expected="HOST:PORT of the gRPC port, without a scheme", mend="for example localhost:8001"
        )
    return url
