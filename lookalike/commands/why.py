"""why: which parts of two pictures make them alike for a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artifact.atomic import require_plain
from artifact.errors import UsageError
from lookalike.commands import connecting
from lookalike.commands.options import DIMS, JSON
from lookalike.commands.pictures import image_limits


def why(
    context: typer.Context,
    first: Annotated[str, typer.Argument(help="A picture: a file or URL.", metavar="A")],
    second: Annotated[str, typer.Argument(help="Another.", metavar="B")],
    model: Annotated[str, typer.Option(help="Model whose vectors are compared.", metavar="NAME")],
    url: connecting.Url = None,
    repository: connecting.Repository = None,
    version: connecting.Version = None,
    output: Annotated[Path | None, typer.Option(help="Write a page with the maps.", metavar="FILE.html")] = None,
    runs: Annotated[
        int, typer.Option(min=1, help="Pictures to run at most; more of them show finer parts.", metavar="N")
    ] = 700,
    dims: Annotated[int | None, DIMS] = None,
    max_megapixels: connecting.MaxMegapixels = connecting.DEFAULT_MAX_MEGAPIXELS,
    max_image_mb: connecting.MaxImageMb = connecting.DEFAULT_MAX_IMAGE_MB,
    batch_size: connecting.BatchSize = None,
    timeout_s: connecting.TimeoutS = connecting.DEFAULT_TIMEOUT_S,
    retry_s: connecting.RetryS = connecting.DEFAULT_RETRY_S,
    tls: connecting.Tls = False,
    tls_ca: connecting.TlsCa = None,
    tls_certificate: connecting.TlsCertificate = None,
    tls_key: connecting.TlsKey = None,
    token_file: connecting.TokenFile = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show which parts of two pictures make them alike: hide parts of each, and see how their distance changes."""
    from lookalike import console
    from lookalike.results.why import page_of_why, print_why
    from serving.explanation.occlusion import explain, num_runs, planned_scales

    image_limits(max_megapixels, max_image_mb)
    if output is not None:
        if output.resolve() in (Path(first).resolve(), Path(second).resolve()):
            raise UsageError("--output", expected="another file than the two pictures", got=str(output))
        if repository is not None and repository.resolve() in output.resolve().parents:
            raise UsageError("--output", expected="a file outside the repository", got=str(output))
        require_plain(output)
    with connecting.open_scorer(model, **connecting.given_connection(context), send="pixels") as scorer:
        console.note(f"runs {num_runs(planned_scales(scorer, runs)):,} pictures with parts of the two hidden")
        found = explain(scorer, first, second, most_runs=runs)
        lineage = scorer.lineage
    if output is not None:
        page_of_why(output, found, (first, second), lineage)
    print_why(found, (first, second), lineage, output, as_json=as_json)
