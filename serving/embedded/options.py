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
CONTROL_MODES = ("explicit", "poll", "none")
METRICS_PORT = 8002
"""Likewise for the metrics."""
DRAIN_S = 5.0
"""How long the command goes on answering when it is told to stop; a Server in a program does not, unless it is told."""
_MESSAGE_BYTES, _MOST_MESSAGE_BYTES = 128 * MB, 2**31 - 1
"""The latter is gRPC's own limit."""
_MOST_CACHE_MB = 2**20
"""A terabyte: more is a mistake."""
_MOST_S = 86_400.0
_COUNTS = (
    "threads",
    "max_message_bytes",
    "max_queue",
    "max_running_bytes",
    "max_model_bytes",
    "max_connections",
    "max_streams",
    "max_header_bytes",
)
LOG_FORMATS = ("text", "json")
LOG_LEVELS = ("debug", "info", "warning", "error")
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
        metrics_port: port of the metrics, likewise; None tells none.
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
        device: `cpu`, `cuda` or `tensorrt`, for models whose config does not say.
        control: who decides what is served. `explicit`: everything at the start, then who asks by the protocol. `poll`:
            the repository, which is looked at every `poll_s` seconds. `none`: everything at the start, then nobody.
        poll_s: seconds between two looks at the repository.
        load_models: names to load at the start, under `explicit`; none loads every model.
        strict_readiness: not ready while anything that should be served is not.
        max_model_bytes: of another people's ONNX file and its external data; larger ones are not served.
        max_queue: requests that may wait for one version, and those that may wait for decoding; more are refused with
            UNAVAILABLE.
        max_running_bytes: of all requests in the server, in bytes, and likewise of all images that they are decoded to;
            more are refused with UNAVAILABLE, but one alone may be larger.
        max_decode_megapixels: of all images that wait for decoding, in millions of pixels; more are refused with
            UNAVAILABLE, but a request alone may have more.
        cache_mb: keep vectors that were computed, in at most so many units of 2**20 bytes, and answer with them where
            the same bytes come again (docs/serving/cache.md); 0 keeps none.
        max_connections: of HTTP, and of gRPC; more are closed at once.
        max_streams: calls at a time in one connection of gRPC; more wait at the client, or are UNAVAILABLE.
        max_header_bytes: of a request's headers, or of a call's metadata; more are refused.
        idle_s: connections on which nothing was asked for so long are closed, in seconds.
        read_s: longest wait for the next part of a request over HTTP, in seconds.
        auto_tune: where a model's config says nothing of instances, threads and preferred sizes, measure them while the
            server is idle, and keep what was found in the user's cache folder. Off for a server in a program, which
            has its own work for the processor; `lookalike serve` turns it on.
        check_goldens: run every artifact's golden images before serving it.
        grace_s: how long requests in flight may go on when the server is stopped, in seconds.
        drain_s: how long the server, when it is stopped, says that it is not ready and goes on answering, in seconds,
            so that those who send it requests can turn to others; before `grace_s`.
        log_format: `text` or `json`, of the lines of the report.
        log_level: the least that is reported: debug, info, warning or error.
        log_requests: report every request.
        log_slow_ms: report requests that took longer, in milliseconds; None reports none.
        trace_endpoint: URL of an OTLP receiver (gRPC) that gets spans of the requests; None makes none.
        trace_ratio: share of requests that are traced, 0 to 1, where their callers do not say.
        report: gets one line for everything that an operator wants to know.

    Raises:
        UsageError: an option that makes no sense.
    """

    host: str = "127.0.0.1"
    grpc_port: int = 8001
    http_port: int | None = None
    metrics_port: int | None = None
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
    control: str = "explicit"
    poll_s: float = 15.0
    load_models: Sequence[str] = ()
    strict_readiness: bool = False
    max_model_bytes: int = 4096 * MB
    max_queue: int = 1024
    max_running_bytes: int = 1024 * 1024 * 1024
    max_decode_megapixels: float = 8192.0
    cache_mb: float = 0.0
    max_connections: int = 2048
    max_streams: int = 1024
    max_header_bytes: int = 64 * 1024
    idle_s: float = 75.0
    read_s: float = 60.0
    auto_tune: bool = False
    check_goldens: bool = True
    grace_s: float = 10.0
    drain_s: float = 0.0
    log_format: str = "text"
    log_level: str = "info"
    log_requests: bool = False
    log_slow_ms: float | None = None
    trace_endpoint: str | None = None
    trace_ratio: float = 1.0
    report: Callable[[str], None] = unreported

    def __post_init__(self) -> None:
        if not self.host:
            raise UsageError("host", expected="an address", got="nothing", mend="127.0.0.1 is this machine only")
        for name in ("grpc_port", "http_port", "metrics_port"):
            port = getattr(self, name)
            if port is not None and not 0 <= port <= 65535:
                raise UsageError(name, expected="0 to 65535", got=str(port))
        require_limits(self.max_megapixels, self.max_image_mb)
        for name in _COUNTS:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(name, expected="at least 1", got=str(value))
        if not self.max_decode_megapixels > 0:
            raise UsageError("max_decode_megapixels", expected="more than 0", got=f"{self.max_decode_megapixels:g}")
        self._require_watching()
        self._require_control()
        if not 0 <= self.cache_mb <= _MOST_CACHE_MB:
            raise UsageError("cache_mb", expected=f"0 to {_MOST_CACHE_MB:,} MB", got=f"{self.cache_mb:g}")
        for name in ("grace_s", "drain_s"):
            if not getattr(self, name) >= 0:
                raise UsageError(name, expected="0 seconds or more", got=f"{getattr(self, name):g}")
        for name in ("idle_s", "read_s"):
            value = getattr(self, name)
            if not 0 < value <= _MOST_S:
                raise UsageError(name, expected=f"seconds above 0, at most {_MOST_S:g}", got=f"{value:g}")

    def _require_control(self) -> None:
        if self.control not in CONTROL_MODES:
            raise UsageError(f"control {self.control!r}", expected=f"one of {', '.join(CONTROL_MODES)}")
        if not 0.01 <= self.poll_s <= 86400:
            raise UsageError("poll_s", expected="0.01 to 86400 seconds", got=f"{self.poll_s:g}")
        if self.load_models and self.control != "explicit":
            raise UsageError("load_models", expected="control explicit", got=f"control {self.control}")

    def _require_watching(self) -> None:
        for name, known in (("log_format", LOG_FORMATS), ("log_level", LOG_LEVELS)):
            if getattr(self, name) not in known:
                raise UsageError(name, expected=f"one of {', '.join(known)}", got=repr(getattr(self, name)))
        if self.log_slow_ms is not None and not self.log_slow_ms >= 0:
            raise UsageError("log_slow_ms", expected="0 milliseconds or more", got=f"{self.log_slow_ms:g}")
        if not 0 <= self.trace_ratio <= 1:
            raise UsageError("trace_ratio", expected="0 to 1", got=f"{self.trace_ratio:g}")
        if self.trace_endpoint is not None and not self.trace_endpoint.startswith(("http://", "https://")):
            raise UsageError("trace_endpoint", expected="http://HOST:PORT", got=repr(self.trace_endpoint))

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
