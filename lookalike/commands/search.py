"""search: the nearest vectors of an index to images, or to the vectors of a table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artifact.errors import UsageError
from artifact.images.limits import Limits
from artifact.limit_options import require_limits, require_read_timeout
from lookalike.commands import connecting
from lookalike.commands.options import COLUMN, JSON

if TYPE_CHECKING:
    from analysis.search.index import Index
    from analysis.search.queries import Queries, QueryBlock


def search(
    context: typer.Context,
    index: Annotated[Path, typer.Argument(help="Index file.", metavar="INDEX")],
    query: Annotated[
        Path,
        typer.Argument(help="An image, a folder or table of images, or a table of vectors.", metavar="IMAGES|VECTORS"),
    ],
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours per query.")] = 10,
    model: Annotated[str | None, typer.Option(help="Model of the same space, for images.", metavar="NAME")] = None,
    url: connecting.Url = None,
    repository: connecting.Repository = None,
    version: connecting.Version = None,
    gallery: Annotated[Path | None, typer.Option(help="Write a page with the pictures.", metavar="FILE.html")] = None,
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder that the ids of the index are paths in. [default: the one that was scored]", metavar="DIR"
        ),
    ] = None,
    dims: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Those of the index: whole vectors of a table are cut to them. Those of images are anyway, unless the "
            "index does not say which model it is of.",
            metavar="D",
        ),
    ] = None,
    column: Annotated[str | None, COLUMN] = None,
    distance: Annotated[
        str | None,
        typer.Option(help="That of the index: says that queries without lineage are of its space.", metavar="DISTANCE"),
    ] = None,
    max_megapixels: connecting.MaxMegapixels = connecting.DEFAULT_MAX_MEGAPIXELS,
    max_image_mb: connecting.MaxImageMb = connecting.DEFAULT_MAX_IMAGE_MB,
    read_timeout_s: connecting.ReadTimeoutS = connecting.DEFAULT_READ_TIMEOUT_S,
    send: connecting.Send = "auto",
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
    """Find the nearest vectors to an image, to each of some images, or to each vector of a table."""
    from analysis.search.index import Index
    from analysis.search.queries import read_queries
    from lookalike import console
    from pages.gallery import MAX_QUERIES

    if images is not None and not images.is_dir():
        raise UsageError("--images", expected="a folder", got=str(images))
    require_limits(max_megapixels, max_image_mb)
    require_read_timeout(read_timeout_s)
    limits = Limits.of(max_megapixels=max_megapixels, max_image_mb=max_image_mb)
    opened = Index.open(index)
    if distance not in (None, opened.distance):
        expected = f"{opened.distance}, as the index was built"
        raise UsageError("--distance", expected=expected, got=str(distance), where=index)
    if dims not in (None, opened.dim):
        raise UsageError("--dims", expected=f"{opened.dim}, as the index was built", got=str(dims), where=index)
    open_model = None
    if model is not None and (url is None) != (repository is None):
        open_model = partial(connecting.open_scorer, model, **connecting.given_connection(context) | {"dims": None})
    queries = read_queries(
        query,
        k=min(k, opened.num_rows),
        column=column,
        vouched=distance is not None,
        dims=dims,
        index_dim=opened.dim,
        lineage=opened.lineage,
        open_model=open_model,
        num_shown=MAX_QUERIES,
        limits=limits,
        read_timeout_s=read_timeout_s,
    )
    for line in queries.notes:
        console.note(line)
    page = None
    if gallery is not None:
        page = partial(
            _write_gallery,
            gallery,
            opened,
            queries,
            name=index.name,
            images=images,
            limits=limits,
            read_timeout_s=read_timeout_s,
        )
    _answer(queries, opened, k=k, page=page, as_json=as_json)


def _answer(queries: Queries, index: Index, *, k: int, page: Callable[..., None] | None, as_json: bool) -> None:
    """Print the neighbours of all queries, block by block; raises typer.Exit where some were no images.

    Args:
        page: writes the page of the first block and what was found for it.
    """
    from lookalike import console
    from lookalike.results.answers import JsonAnswers, TableAnswers, bad_queries_line, recall_line
    from lookalike.results.jobs import EXIT_BAD_ROWS

    recall = recall_line(index)
    answers = JsonAnswers() if as_json else TableAnswers()
    for number, block in enumerate(queries.blocks):
        found = index.search(block.vectors, k)
        if number == 0:
            if page is not None:
                page(block, found, recall=recall)
            if recall is not None:
                console.note(recall)
        answers.add(block.ids, found)
    answers.end()
    if queries.bad:
        console.note(bad_queries_line(queries.bad))
        raise typer.Exit(EXIT_BAD_ROWS)


def _write_gallery(
    page: Path,
    index: Index,
    queries: Queries,
    first: QueryBlock,
    found: list[list[dict[str, Any]]],
    *,
    name: str,
    recall: str | None,
    images: Path | None,
    limits: Limits,
    read_timeout_s: float,
) -> None:
    """Write the page of the first queries.

    Args:
        name: of the index.
        images: the folder that the user named, if any.
    """
    from lookalike import console
    from pages.gallery import MAX_QUERIES, image_inside, write_search_gallery

    folder = queries.folder or images
    pictures = first.images or [image_inside(folder, each) for each in first.ids[:MAX_QUERIES]]
    shown = list(zip(first.ids, pictures, strict=False))
    write_search_gallery(
        page,
        shown,
        found[: len(shown)],
        num_queries=queries.num_queries,
        picture_of=partial(image_inside, images or index.images),
        limits=limits,
        read_timeout_s=read_timeout_s,
        facts={
            "index": name,
            "recall": recall,
            "num_rows": index.num_rows,
            "distance": index.distance,
            "lineage": index.lineage,
        },
    )
    console.note(f"{page} shows the pictures")
