"""serve: the embedded server over a repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from artifact.images.limits import MB
from lookalike.commands.options import LARGEST_FILE, LARGEST_IMAGE, given
from serving.embedded.options import HTTP_PORT, ServerOptions


def serve(
    context: typer.Context,
    repository: Annotated[Path, typer.Argument(help="Triton model repository.", metavar="REPOSITORY")],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = ServerOptions.host,
    grpc_port: Annotated[
        int, typer.Option(min=0, max=65535, help="gRPC port; 0 chooses a free one.")
    ] = ServerOptions.grpc_port,
    http_port: Annotated[int, typer.Option(min=0, max=65535, help="HTTP port; 0 chooses a free one.")] = HTTP_PORT,
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
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = ServerOptions.device,
    max_queue: Annotated[
        int, typer.Option(min=1, help="Requests that may wait for one model.")
    ] = ServerOptions.max_queue,
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
    check_goldens: Annotated[
        bool, typer.Option(help="Check golden examples when a model is loaded.")
    ] = ServerOptions.check_goldens,
) -> None:
    """Serve a model repository over gRPC and HTTP (Open Inference Protocol, as Triton does) until interrupted."""
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its core would add a line of its own to our errors

    from lookalike import console
    from serving.embedded.server import Server
    from serving.embedded.server import serve as run

    options = given(context, ServerOptions) | {"http_port": None if no_http else http_port}
    options |= {name: tuple(options[name] or ()) for name in ("allowed_hosts", "allow_origins")}
    if max_message_mb is not None:
        options["max_message_bytes"] = int(max_message_mb * MB)
    run(Server(repository, **options, report=console.note))
