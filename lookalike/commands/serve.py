"""serve: the embedded server over a repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from artifact.images.limits import MB
from lookalike.commands.options import LARGEST_FILE, LARGEST_IMAGE, given
from serving.embedded.options import DRAIN_S, HTTP_PORT, METRICS_PORT, ServerOptions


def serve(
    context: typer.Context,
    repository: Annotated[Path, typer.Argument(help="Triton model repository.", metavar="REPOSITORY")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = ServerOptions.host,
    grpc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="gRPC port; 0 chooses a free one.")
    ] = ServerOptions.grpc_port,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0 chooses a free one.")] = HTTP_PORT,
    metrics_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the metrics; 0 chooses a free one.")
    ] = METRICS_PORT,
    no_metrics: Annotated[bool, typer.Option("--no-metrics", help="Tell no metrics.")] = False,
    no_http: Annotated[bool, typer.Option("--no-http", help="No REST front.")] = False,
    insecure: Annotated[bool, typer.Option("--insecure", help="Serve others than this machine without TLS.")] = False,
    tls_cert: Annotated[str | None, typer.Option(help="PEM file of the server's certificate.", metavar="FILE")] = None,
    tls_key: Annotated[str | None, typer.Option(help="PEM file of its key.", metavar="FILE")] = None,
    tls_client_ca: Annotated[
        str | None, typer.Option(help="Take only clients with a certificate of these authorities.", metavar="FILE")
    ] = None,
    tokens: Annotated[
        str | None, typer.Option(help="Take only clients with a token of this file of hashes.", metavar="FILE")
    ] = None,
    allowed_hosts: Annotated[
        list[str] | None, typer.Option("--allowed-host", help="A name of this server for HTTP clients. Repeatable.")
    ] = None,
    allow_origins: Annotated[
        list[str] | None, typer.Option("--allow-origin", help="An origin whose pages may use HTTP. Repeatable.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of one run. [default: the model's config, else all cores]")
    ] = ServerOptions.threads,
    device: Annotated[str, typer.Option(help="cpu, cuda or tensorrt.")] = ServerOptions.device,
    control: Annotated[
        str,
        typer.Option(
            "--model-control",
            help="Who decides what is served after the start: explicit (who asks), poll (the repository) or none.",
        ),
    ] = ServerOptions.control,
    poll_s: Annotated[
        float, typer.Option(min=0.01, help="Seconds between two looks at the repository, with poll.")
    ] = ServerOptions.poll_s,
    load_models: Annotated[
        list[str] | None,
        typer.Option("--load-model", help="Load only this at the start. Repeatable. [default: every model]"),
    ] = None,
    strict_readiness: Annotated[
        bool, typer.Option("--strict-readiness", help="Not ready while anything that should be served is not.")
    ] = False,
    max_model_mb: Annotated[
        float, typer.Option(min=0.001, help="Largest ONNX file of other people's that is served, in MB.")
    ] = ServerOptions.max_model_bytes / MB,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Requests that may wait for one model.")
    ] = ServerOptions.max_queue,
    max_decode_megapixels: Annotated[
        float, typer.Option(min=0.001, help="Megapixels of all images that may wait for decoding.")
    ] = ServerOptions.max_decode_megapixels,
    cache_mb: Annotated[
        float, typer.Option(min=0, help="Keep vectors in so much memory, in MB, and answer the same bytes with them.")
    ] = ServerOptions.cache_mb,
    max_megapixels: Annotated[
        float | None,
        typer.Option(help=f"{LARGEST_IMAGE}. [default: as published, else 128]"),
    ] = ServerOptions.max_megapixels,
    max_image_mb: Annotated[
        float | None, typer.Option(help=f"{LARGEST_FILE}. [default: as published, else 64]")
    ] = ServerOptions.max_image_mb,
    max_message_mb: Annotated[
        float | None,
        typer.Option(
            min=0.001, max=2048, help="Largest request, in MB. [default: 128, or a row of the largest images]"
        ),
    ] = None,
    max_connections: Annotated[
        int, typer.Option(min=1, help="Connections of HTTP, and of gRPC.")
    ] = ServerOptions.max_connections,
    max_streams: Annotated[
        int, typer.Option(min=1, help="Calls at a time in one gRPC connection.")
    ] = ServerOptions.max_streams,
    max_header_bytes: Annotated[
        int, typer.Option(min=1, help="Largest headers or metadata of a request.")
    ] = ServerOptions.max_header_bytes,
    idle_s: Annotated[
        float, typer.Option(help="Close connections on which nothing is asked for so long.")
    ] = ServerOptions.idle_s,
    read_s: Annotated[
        float, typer.Option(help="Longest wait for the next part of an HTTP request.")
    ] = ServerOptions.read_s,
    drain_s: Annotated[
        float, typer.Option(min=0, help="How long to go on answering, not ready, when told to stop.")
    ] = DRAIN_S,
    grace_s: Annotated[
        float, typer.Option(min=0, help="How long requests that run then may take.")
    ] = ServerOptions.grace_s,
    log_format: Annotated[str, typer.Option(help="text or json.")] = ServerOptions.log_format,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = ServerOptions.log_level,
    log_requests: Annotated[bool, typer.Option("--log-requests", help="Log every request.")] = False,
    log_slow_ms: Annotated[
        float | None, typer.Option(min=0, help="Log requests that take longer, in milliseconds.")
    ] = ServerOptions.log_slow_ms,
    trace_endpoint: Annotated[
        str | None, typer.Option(help="OTLP receiver (gRPC) for spans of requests.", metavar="URL")
    ] = ServerOptions.trace_endpoint,
    trace_ratio: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests that are traced where the caller does not say.")
    ] = ServerOptions.trace_ratio,
    auto_tune: Annotated[
        bool,
        typer.Option(
            help="Measure while idle what runs a model fastest, where its config says nothing; kept in ~/.cache."
        ),
    ] = True,
    check_goldens: Annotated[
        bool, typer.Option(help="Check golden examples when a model is loaded.")
    ] = ServerOptions.check_goldens,
) -> None:
    """Serve a model repository over gRPC and HTTP (Open Inference Protocol, as Triton does) until interrupted."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its core would add a line of its own to our errors

    from lookalike import console
    from serving.embedded.server import Server
    from serving.embedded.server import serve as run

    options = given(context, ServerOptions) | {
        "http_port": None if no_http else http_port,
        "metrics_port": None if no_metrics else metrics_port,
    }
    options |= {name: tuple(options[name] or ()) for name in ("allowed_hosts", "allow_origins", "load_models")}
    options["max_model_bytes"] = int(max_model_mb * MB)
    if max_message_mb is not None:
        options["max_message_bytes"] = int(max_message_mb * MB)
    run(Server(repository, **options, report=console.line))
