"""Calls of the Open Inference Protocol to one server: a deadline and the token with each, failures in our own words.

The generated stubs are used directly, not tritonclient's own client: calls then take one deadline, can be cancelled by
closing the channel, and cost no second copy of the pixels.
"""

from __future__ import annotations

import math
from typing import Any

import grpc
from tritonclient.grpc import service_pb2_grpc

from artifact.errors import UnansweredError
from artifact.images.image_batch import BadImagesError, parse_bad_images
from serving.client.connections.after_fork import require_grpc
from serving.client.connections.channels import metadata_of, open_channel, parse_url
from serving.client.connections.status import status_error
from serving.client.options import ScorerOptions
from serving.forks import unforked


class Calls:
    """The calls to one server; may be called from several threads at a time.

    Args:
        url: HOST:PORT of the gRPC port.
        options: how to get in, and the deadline of every call that is given no other.

    Attributes:
        url: as given.

    Raises:
        UsageError: the URL is not HOST:PORT, or the access makes no sense.
    """

    def __init__(self, url: str, options: ScorerOptions) -> None:
        self.url, self._timeout_s = parse_url(url), options.timeout_s
        self._is_closed = False
        require_grpc()
        self._metadata = metadata_of(options, url)
        self._channel = open_channel(options, url)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def call(self, method: str, request: Any, *, timeout_s: float | None = None, connecting: bool = False) -> Any:
        """The answer to a request.

        Args:
            method: a name of the protocol, such as ModelInfer.
            timeout_s: other deadline, in seconds.
            connecting: nothing has answered here yet, see `status_error`.

        Raises:
            BadImagesError: the server names images that it cannot read.
            LookalikeError: what serving/client/connections/status.py makes of the failure.
        """
        timeout_s = timeout_s or self._timeout_s
        deadline_s = None if math.isinf(timeout_s) else timeout_s
        try:
            with unforked(is_call=True):
                return getattr(self._stub, method)(request, timeout=deadline_s, metadata=self._metadata)
        except grpc.RpcError as error:
            bad = parse_bad_images(error.details() or "") if error.code() is grpc.StatusCode.INVALID_ARGUMENT else []
            if bad:
                raise BadImagesError(bad, len(bad)) from None
            raise status_error(error, address=self.url, timeout_s=timeout_s, connecting=connecting) from None
        except ValueError as error:  # grpcio's way to say that the channel was closed
            if not self._is_closed:
                raise
            raise UnansweredError("the connection is closed", got=str(error), where=self.url) from None

    def close(self) -> None:
        """Cancel what is running; calls in other threads end with an error."""
        self._is_closed = True
        self._channel.close()
