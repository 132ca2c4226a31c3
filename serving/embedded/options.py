"""The options of the embedded server: their defaults, what they mean and which make sense, for all who take them.

Nothing heavy is imported here: the command line reads its defaults from this file before it knows what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from artifact.errors import ServerError, UsageError
from artifact.images.cores import available_cores
from artifact.images.limits import MB
from artifact.kinds import KINDS
from artifact.limit_options import require_limits

HTTP_PORT = 8000
"""Where the command listens for HTTP; a Server in a program has no such front unless it is told a port."""
_MESSAGE_BYTES, _MOST_MESSAGE_BYTES = 128 * MB, 2**31 - 1
"""The latter is gRPC's own limit."""
_IMAGES_A_ROW = max(len(kind.streams) for kind in KINDS.values())


def unreported(line: str) -> None:
    """The report of servers that nobody watches."""


@dataclass(frozen=True, kw_only=True)
class ServerOptions:
    """The options of serving a repository.

    Attributes:
        host: address to listen on; the default is reached from this machine only.
        grpc_port: port to listen on; 0 chooses a free one.
        http_port: port of the REST front, likewise; None has none.
        insecure: serve in the clear where others than this machine reach the host.
        tls_cert, tls_key: PEM files of the server's certificate and its key; they may be replaced while it runs.
        tls_client_ca: PEM file of the authorities whose certificates clients must show.
        tokens: file of the tokens that clients must send, and what each gives the right to (access/tokens.py).
        allowed_hosts: names by which HTTP clients may call the server, besides those of this machine.
        allow_origins: origins whose pages may use the REST front, as `https://example.org`.
        threads: of one run of a network, and of decoding; None takes what a network's config says, and every core that
            this process may use where it says nothing.
        max_message_bytes: larger requests are refused with RESOURCE_EXHAUSTED; None takes 128 MiB, or what a row of the
            largest images needs.
        max_megapixels: larger encoded images are refused before decoding, by width x height in millions; None takes
            what a model was published with (128 unless that was told otherwise).
        max_image_mb: larger encoded images are refused; None takes what a model was published with (64).
        device: `cpu` or `cuda`.
        max_queue: requests that may wait for one version, and those that may wait for decoding; more are refused with
            UNAVAILABLE.
        max_running_bytes: of all requests in the server, in bytes; more are refused with UNAVAILABLE, but one alone may
            be larger.
        check_goldens: run every artifact's golden images before serving it.
        grace_s: how long requests in flight may go on when the server is stopped, in seconds.
        report: gets one line for everything that an operator wants to know.

    Raises:
        UsageError: an option that makes no sense.
    """

    host: str = "127.0.0.1"
    grpc_port: int = 8001
    http_port: int | None = None
    insecure: bool = False
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_client_ca: str | None = None
    tokens: str | None = None
    allowed_hosts: Sequence[str] = ()
    allow_origins: Sequence[str] = ()
    threads: int | None = None
    max_message_bytes: int | None = None
    max_megapixels: float | None = None
    max_image_mb: float | None = None
    device: str = "cpu"
    max_queue: int = 1024
    max_running_bytes: int = 1024 * 1024 * 1024
    check_goldens: bool = True
    grace_s: float = 10.0
    report: Callable[[str], None] = unreported

    def __post_init__(self) -> None:
        if not self.host:
            raise UsageError("host", expected="an address", got="nothing", mend="127.0.0.1 is this machine only")
        for name in ("grpc_port", "http_port"):
            port = getattr(self, name)
            if port is not None and not 0 <= port <= 65535:
                raise UsageError(name, expected="0 to 65535", got=str(port))
        require_limits(self.max_megapixels, self.max_image_mb)
        for name in ("threads", "max_message_bytes", "max_queue", "max_running_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(name, expected="at least 1", got=str(value))
        if not self.grace_s >= 0:
            raise UsageError("grace_s", expected="0 seconds or more", got=f"{self.grace_s:g}")

    def message_bytes(self, image_bytes: int) -> int:
        """Largest request, where images of up to so many bytes are taken: what one limit takes no other refuses."""
        fitting = max(_MESSAGE_BYTES, _IMAGES_A_ROW * image_bytes + MB)
        return min(self.max_message_bytes or fitting, _MOST_MESSAGE_BYTES)

    def address(self, port: int) -> str:
        """HOST:PORT of a port; an IPv6 address stands in brackets."""
        is_bare = ":" in self.host and not self.host.startswith("[")
        return f"[{self.host}]:{port}" if is_bare else f"{self.host}:{port}"

    @property
    def decoding_threads(self) -> int:
        """Threads that decode: `threads`, or one for each core."""
        return self.threads or available_cores()


def cannot_listen(address: str) -> ServerError:
    """What is said of a port that cannot be had."""
    return ServerError(
        "the server cannot listen",
        expected="a free port on an address of this machine",
        got="a port in use, or no such address",
        where=address,
        mend="stop what listens there, or choose another port (0 takes a free one)",
    )
