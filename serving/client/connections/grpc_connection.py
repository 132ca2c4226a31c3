"""The calls of a Connection to a model on one server, which a fleet makes: the Open Inference Protocol over gRPC, the
embedded server and NVIDIA Triton alike. Tensors always travel raw.

Who answers is asked of NAME, never of NAME_encoded: an ensemble answers with a version number of its own.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from tritonclient.grpc import service_pb2

from artifact.arrays import AnyArray
from artifact.errors import LookalikeError, ModelNotFoundError, ServerError, UsageError
from artifact.model.manifest import Manifest, manifest_from_fields
from artifact.modes import FULL, vector_names
from artifact.repository.triton_config import DECODE_SUFFIX, DIGEST_PARAMETER, ENCODED_SUFFIX, MANIFEST_PARAMETER
from serving.client.connection import Feeds, Outputs, num_images
from serving.client.connections.absence import absent
from serving.client.connections.calls import Calls
from serving.client.connections.channels import parse_urls
from serving.client.options import ScorerOptions
from serving.client.timings import Timings
from serving.protocol import BYTES, DIGEST_IN_ANSWER, FP32, UINT8, join_strings, version_text

_MIN_IN_FLIGHT, _MAX_IN_FLIGHT = 4, 16


class GrpcConnection:
    """A model of one server of a fleet; every call is tried once, and its failure said in our own words.

    Args:
        model: name of the model, without suffix.
        options: those of a Scorer; `url` names one server. Without a version it is whichever the server serves, and if
            that changes later, calls raise ServerError.
        connect_timeout_s: deadline of the first call; None for that of every call.
        timings: are told of every batch.

    Raises:
        UsageError: the URL is not HOST:PORT, or the access makes no sense.
        UnavailableError: nobody answers there.
        BusyError: somebody does, and has too much to do.
        ModelNotFoundError: the server has no such model or version.
        ServerError: the model was not published by Lookalike.

    Attributes:
        url: HOST:PORT.
        names_digest: every answer so far named the digest of its artifact; Triton's name the version only.
    """

    def __init__(
        self,
        model: str,
        options: ScorerOptions,
        *,
        connect_timeout_s: float | None = None,
        timings: Timings | None = None,
    ) -> None:
        (self.url,), self.model = parse_urls(options.url), model
        self.names_digest = self._sent_encoded = False
        self.timings = timings or Timings()
        self._asked = version_text(options.version)
        self._calls = Calls(self.url, options)
        try:
            self.version, self._newest = self._versions(connect_timeout_s)
            config = self._config()
            self.manifest: Manifest = self._read_manifest(config)
        except BaseException:
            self.close()
            raise
        self.digest = self.manifest.digest
        self.max_rows: int | None = max(1, config.max_batch_size)
        instances = sum(group.count for group in config.instance_group)
        self.in_flight = min(max(_MIN_IN_FLIGHT, instances + 1), _MAX_IN_FLIGHT)  # a server never splits a request
        is_full = self.manifest.mode == FULL  # distances are computed here
        self._outputs = vector_names(self.manifest.image_inputs) if is_full else list(self.manifest.output_names)

    def takes_encoded(self) -> bool:
        """See Connection."""
        if self.version != self._newest:
            return False
        request = service_pb2.ModelReadyRequest(name=self.model + ENCODED_SUFFIX)
        try:
            return bool(self._calls.call("ModelReady", request).ready)
        except LookalikeError:
            return False

    def run_pixels(self, feeds: Feeds) -> Outputs:
        """See Connection."""
        request = self._request(self.model, self._asked)
        for name, array in feeds.items():
            _add_array(request, name, array)
        response = self._infer(request, feeds)
        self._require_same(int(response.model_version or 0))
        return self._read_outputs(response)

    def run_encoded(self, feeds: Mapping[str, Any]) -> Outputs:
        """See Connection. Which version answers is up to NAME_encoded: `confirm` between calls tells."""
        if self.version != self._newest:
            raise UsageError(
                f"encoded images to version {self.version} of {self.model!r}",
                expected=f"version {self._newest}, the one that {self.model + ENCODED_SUFFIX!r} runs",
                where=self.url,
                mend="send pixels instead",
            )
        self._sent_encoded = True
        request = self._request(self.model + ENCODED_SUFFIX, "")
        for name, images in feeds.items():
            if isinstance(images, np.ndarray):
                _add_array(request, name, images)
                continue
            request.inputs.add(name=name, datatype=BYTES, shape=[len(images), 1])
            request.raw_input_contents.append(join_strings(images))
        return self._read_outputs(self._infer(request, feeds))

    def confirm(self, *, timeout_s: float | None = None) -> None:
        """See Connection. `timeout_s` is another deadline for each of its calls."""
        version, newest = self._versions(timeout_s)
        self._require_same(version)
        self._require_same(version, self._read_manifest(self._config(timeout_s)).digest)
        if self._sent_encoded:
            self._require_same(newest)  # NAME_encoded runs the newest, whichever was asked for
        self._newest = newest

    def close(self) -> None:
        """See Connection."""
        self._calls.close()

    def _versions(self, timeout_s: float | None) -> tuple[int, int]:
        """The version that answers, and the newest that is served."""
        request = service_pb2.ModelMetadataRequest(name=self.model)
        metadata = self._ask("ModelMetadata", request, timeout_s=timeout_s, connecting=True)
        versions = sorted(int(version) for version in metadata.versions)
        answering = int(self._asked) if self._asked else max(versions, default=0)
        if answering not in versions:
            raise absent(self._calls, self.model, answering)
        return answering, versions[-1]

    def _config(self, timeout_s: float | None = None) -> Any:
        request = service_pb2.ModelConfigRequest(name=self.model, version=version_text(self.version))
        return self._ask("ModelConfig", request, timeout_s=timeout_s).config

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
                f"the config of model {self.model!r} contradicts itself",
                expected=f"digest {manifest.digest}",
                got=digest or "none",
                where=where,
                mend="publish it again",
            )
        return manifest

    def _request(self, model: str, version: str) -> Any:
        request = service_pb2.ModelInferRequest(model_name=model, model_version=version)
        for name in self._outputs:
            request.outputs.add(name=name)
        return request

    def _infer(self, request: Any, feeds: Mapping[str, Any]) -> Any:
        started = time.monotonic()
        response = self._ask("ModelInfer", request)
        self.timings.note(num_images(feeds, self.manifest), time.monotonic() - started)
        digest = response.parameters[DIGEST_IN_ANSWER].string_param
        if digest:  # the embedded server says it in every answer, Triton does not
            self._require_same(self.version, digest)
        self.names_digest = bool(digest)
        return response

    def _read_outputs(self, response: Any) -> Outputs:
        """{output: float32 [N, n]} of the raw contents."""
        outputs: Outputs = {}
        for output, raw in zip(response.outputs, response.raw_output_contents, strict=False):
            if output.datatype == FP32:
                outputs[output.name] = np.frombuffer(raw, "<f4").reshape(tuple(output.shape))
        missing = [name for name in self._outputs if name not in outputs]
        if missing:
            raise ServerError(
                "the server's answer is not whole",
                expected=f"{FP32} output {', '.join(missing)}",
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

    def _ask(self, method: str, request: Any, *, timeout_s: float | None = None, connecting: bool = False) -> Any:
        try:
            return self._calls.call(method, request, timeout_s=timeout_s, connecting=connecting)
        except ModelNotFoundError:
            name = getattr(request, "model_name", self.model)
            if name == self.model:
                failure = absent(self._calls, name, int(self._asked or 0))
            else:
                failure = ModelNotFoundError(
                    f"the server has no model {name!r}", where=self.url, mend="send pixels instead"
                )
        raise failure


def _add_array(request: Any, name: str, array: AnyArray) -> None:
    """Pixels, or numbers beside them."""
    request.inputs.add(name=name, datatype=UINT8 if array.dtype == np.uint8 else FP32, shape=array.shape)
    request.raw_input_contents.append(np.ascontiguousarray(array).tobytes())
