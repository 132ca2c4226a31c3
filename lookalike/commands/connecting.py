"""The options of every command that needs vectors from a model: where it runs, and how to get in there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artifact.errors import UsageError
from lookalike.commands.options import MAX_IMAGE_MB, MAX_MEGAPIXELS, READ_TIMEOUT, given
from serving.client.options import ScorerOptions

if TYPE_CHECKING:
    from serving.client.scorer import Scorer

Url = Annotated[
    str | None,
    typer.Option("--url", help="Server to score with; several share the work.", metavar="HOST:PORT,..."),
]
Repository = Annotated[Path | None, typer.Option("--repository", help="Score in this process instead.", metavar="DIR")]
Version = Annotated[int | None, typer.Option("--version", min=1, help="Version. [default: the one served]")]
Device = Annotated[str, typer.Option("--device", help="cpu or cuda, with --repository.")]
Send = Annotated[str, typer.Option("--send", help="pixels or encoded files to the server; auto measures.")]
BatchSize = Annotated[
    int | None,
    typer.Option("--batch-size", min=1, help="Images of a request. [default: measured]"),
]
MaxMegapixels = Annotated[float, MAX_MEGAPIXELS]
MaxImageMb = Annotated[float, MAX_IMAGE_MB]
TimeoutS = Annotated[float, typer.Option("--timeout", help="Deadline of a request.", metavar="SECONDS")]
ReadTimeoutS = Annotated[float, typer.Option("--read-timeout", help=READ_TIMEOUT, metavar="SECONDS")]
RetryS = Annotated[
    float,
    typer.Option(
        "--retry",
        help="Wait this long for a server that is away or busy; 0: not at all, inf: for ever.",
        metavar="SECONDS",
    ),
]
Tls = Annotated[bool, typer.Option("--tls", help="Encrypt; trust what the system trusts.")]
TlsCa = Annotated[
    Path | None,
    typer.Option("--tls-ca", help="Encrypt; trust these authorities.", metavar="PEM"),
]
TlsCertificate = Annotated[
    Path | None,
    typer.Option("--tls-certificate", help="Who we are.", metavar="PEM"),
]
TlsKey = Annotated[Path | None, typer.Option("--tls-key", help="Key of --tls-certificate.", metavar="PEM")]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="Token for the server; or set LOOKALIKE_TOKEN.", metavar="FILE"),
]
"""A token itself is no option: every user of the machine could read it in the list of processes."""

LIMITS = ("max_megapixels", "max_image_mb", "read_timeout_s")
"""Parameters of images alone, and with `send` of images that are sent."""

DEFAULT_TIMEOUT_S, DEFAULT_RETRY_S = ScorerOptions.timeout_s, ScorerOptions.retry_s
DEFAULT_MAX_MEGAPIXELS, DEFAULT_MAX_IMAGE_MB = ScorerOptions.max_megapixels, ScorerOptions.max_image_mb
DEFAULT_READ_TIMEOUT_S = ScorerOptions.read_timeout_s


def given_connection(context: typer.Context) -> dict[str, Any]:
    """What a command was given of the options above, as `open_scorer` takes them."""
    return given(context, ScorerOptions, "tls_ca", "token_file")


def require_one_place(url: str | None, repository: Path | str | None) -> None:
    """Raise UsageError unless one of the two is given."""
    if (url is None) == (repository is None):
        raise UsageError("where to score", expected="exactly one of --url HOST:PORT and --repository DIR")


def open_scorer(
    model: str,
    *,
    url: str | None = None,
    repository: Path | str | None = None,
    tls: bool = False,
    tls_ca: Path | str | None = None,
    token_file: Path | str | None = None,
    **options: Any,
) -> Scorer:
    """The Scorer that the options describe, a context manager; raises as Scorer does, in the options' names.

    Args:
        options: further ones, named as in ScorerOptions.
    """
    require_one_place(url, repository)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its core would add lines of its own to our errors
    from lookalike import console
    from serving.client.scorer import Scorer

    token = None if token_file is None else _token(Path(token_file))
    return Scorer(model, url=url, repository=repository, tls=tls_ca or tls, token=token, report=console.note, **options)


def _token(file: Path) -> str:
    try:
        token = file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UsageError("--token-file", expected="a file with a token", got=error.strerror, where=file) from None
    except UnicodeDecodeError:
        raise UsageError("--token-file", expected="a file with a token", got="another", where=file) from None
    if not token:
        raise UsageError("--token-file", expected="a file with a token", got="an empty one", where=file)
    return token
