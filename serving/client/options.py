"""The options of a Scorer: their defaults, what they mean and which make sense, for all who take them.

Nothing heavy is imported here: the command line reads its defaults from this file before it knows what to do.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from artifact.dims import as_dims
from artifact.errors import UsageError
from artifact.images.limits import DEFAULT_MAX_IMAGE_MB, DEFAULT_MAX_MEGAPIXELS, Limits
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S, require_limits, require_read_timeout

if TYPE_CHECKING:
    from serving.client.connection import Connection

SENDS = ("auto", "pixels", "encoded")
_BESIDE_LOCAL = ("dims", "send", "batch_size", "max_megapixels", "max_image_mb", "read_timeout_s")
_BESIDE_REMOTE = (*_BESIDE_LOCAL, "threads", "timeout_s")


@dataclass(frozen=True, kw_only=True)
class ScorerOptions:
    """The options of running an artifact: one of `url`, `repository` and `connection`, and the rest.

    Attributes:
        url: HOST:PORT of a server's gRPC port; several, with commas or as a list, share the work.
        repository: folder of a model repository, to run the artifact in this process.
        connection: who runs the artifact already: anything with the Connection protocol (serving/client/connection.py),
            closed with the Scorer. Beside it stand `dims`, `send`, `batch_size`, the limits and `read_timeout_s` alone,
            and where it runs the artifact elsewhere `threads`, that decode, and `timeout_s`, the deadline that batches
            are to stay well under; the other options are for whoever makes it.
        version: default the one that is served.
        dims: D, to keep the first D numbers of each vector, where the artifact promises that prefix; on the unit sphere
            again where it normalises. Distances, threshold and lineage are then those of the prefix. None: all numbers.
        send: "pixels" decodes here, "encoded" sends the files, "auto" takes what the first batches show to be faster.
        batch_size: images of one request; None finds it while running, in this process it is 8 to 32 by the size of the
            artifact's images.
        threads: that decode, and run the network where it runs here; None for every core of this process.
        max_megapixels: larger images are bad ones, by width x height in millions; those that a server decodes are
            judged by its own limits too.
        max_image_mb: larger files are bad images; a megabyte is 2**20 bytes.
        timeout_s: deadline of one try of a request to a server, in seconds; missing it is an error, not tried again.
        read_timeout_s: deadline of reading one image from elsewhere (http, s3 and so on), in seconds, tries included;
            inf for none. Missing it makes a bad row.
        retry_s: how long a call waits for servers that are away or busy, in seconds; 0 for not at all, inf for ever.
        tls: True to encrypt and trust what the system trusts, or a PEM file of the authorities to trust.
        tls_certificate, tls_key: PEM files that show a server who asks, both or neither.
        token: sent as `authorization: Bearer`, over TLS or to this machine only; None for the environment's
            LOOKALIKE_TOKEN, if it is set.
        device: `cpu` or `cuda`, where the network runs here.
        report: gets a line when a server goes away, and when it is back; in another thread; what it raises is dropped.

    Raises:
        UsageError: an option that makes no sense, alone or with the others.
    """

    url: str | Sequence[str] | None = None
    repository: str | os.PathLike[str] | None = None
    connection: Connection | None = None
    version: int | None = None
    dims: int | None = None
    send: str = "auto"
    batch_size: int | None = None
    threads: int | None = None
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    max_image_mb: float = DEFAULT_MAX_IMAGE_MB
    timeout_s: float = 60.0
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S
    retry_s: float = 120.0
    tls: bool | str | os.PathLike[str] = False
    tls_certificate: str | os.PathLike[str] | None = None
    tls_key: str | os.PathLike[str] | None = None
    token: str | None = field(default=None, repr=False)
    device: str = "cpu"
    report: Callable[[str], None] | None = None

    def __post_init__(self) -> None:
        if self.send not in SENDS:
            raise UsageError(f"send {self.send!r}", expected=f"one of {', '.join(SENDS)}")
        if self.dims is not None:
            as_dims(self.dims)
        for name in ("batch_size", "threads", "version", "dims"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(name, expected="at least 1", got=str(value))
        require_limits(self.max_megapixels, self.max_image_mb)
        require_read_timeout(self.read_timeout_s)
        if not self.timeout_s > 0:
            raise UsageError("timeout_s", expected="more than 0 seconds", got=f"{self.timeout_s:g}")
        if not self.retry_s >= 0:
            raise UsageError("retry_s", expected="0 seconds or more", got=f"{self.retry_s:g}")
        self._require_one_place()

    @property
    def limits(self) -> Limits:
        """What images are refused for before they are decoded or sent."""
        return Limits.of(max_megapixels=self.max_megapixels, max_image_mb=self.max_image_mb)

    def _require_one_place(self) -> None:
        if self.connection is not None:
            self._require_connection_alone(_BESIDE_LOCAL if self.connection.is_local else _BESIDE_REMOTE)
            return
        if (self.url is None) == (self.repository is None):
            raise UsageError(
                "where to score", expected="either a url or a repository", got="both" if self.url else "none"
            )
        for name in ("tls", "tls_certificate", "tls_key", "token"):
            if getattr(self, name) and self.url is None:
                raise UsageError(name, expected="a url to use it with", got="a repository")

    def _require_connection_alone(self, taken: tuple[str, ...]) -> None:
        """Refuse what would change nothing: a connection is made with options of its own."""
        others = [each for each in fields(self) if each.name not in ("connection", *taken)]
        ignored = [each.name for each in others if getattr(self, each.name) != each.default]
        if ignored:
            raise UsageError(
                "where to score",
                expected="a connection alone",
                got=f"{', '.join(ignored)} too",
                mend="give such options to what makes the connection",
            )
