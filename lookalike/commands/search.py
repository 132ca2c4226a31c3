"""search: the nearest vectors of an index to images, or to the vectors of a table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artifact.errors import UsageError
from artifact.limit_options import require_read_timeout
from lookalike.commands import connecting
from lookalike.commands.options import COLUMN, JSON, require_not_given
from lookalike.commands.pictures import IMAGE_COLUMN, IMAGE_ID_COLUMN, IMAGES, image_limits, named_images, require_shown
from lookalike.commands.tables import ColumnsFrom, require_own_files

if TYPE_CHECKING:
    from analysis.search.index import Index
    from analysis.search.queries import Queries


def search(
    context: typer.Context,
    index: Annotated[Path, typer.Argument(help="Index file.", metavar="INDEX")],
    query: Annotated[
        list[str] | None,
        typer.Argument(
            help="An image, a folder or table of images, a table of vectors or of attributes, or id:NAME of the index. "
            "Several are one query together.",
            metavar="IMAGES|VECTORS",
        ),
    ] = None,
    attributes: Annotated[
        str | None,
        typer.Option(
            help="Search for these, with a model that takes attributes: color=red,striped=1", metavar="NAME=VALUE,..."
        ),
    ] = None,
    minus: Annotated[
        list[str] | None,
        typer.Option(help="Lead away from these, named as the queries are; once for each.", metavar="IMAGES|VECTORS"),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="Search among the rows of the index that meet it: \"label = 'shoe' and price < 50\".",
            metavar="CONDITION",
        ),
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours per query.")] = 10,
    rerank: Annotated[
        bool,
        typer.Option("--rerank", help="Put the nearest in order by the neighbours that they share with the query."),
    ] = False,
    model: Annotated[str | None, typer.Option(help="Model of the same space, for images.", metavar="NAME")] = None,
    url: connecting.Url = None,
    repository: connecting.Repository = None,
    version: connecting.Version = None,
    gallery: Annotated[Path | None, typer.Option(help="Write a page with the pictures.", metavar="FILE.html")] = None,
    images: Annotated[str | None, IMAGES] = None,
    image_column: Annotated[str | None, IMAGE_COLUMN] = None,
    image_id_column: Annotated[str | None, IMAGE_ID_COLUMN] = None,
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
    columns_from: ColumnsFrom = None,
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
    """Find the nearest vectors to an image, to attributes, to each row of a table, or to several together."""
    from analysis.search.combined import ID_PREFIX, is_combined, place_or_attributes, read_combined
    from analysis.search.conditions.matching import matching_rows
    from analysis.search.index import Index
    from analysis.search.index_files import index_files
    from analysis.search.queries import read_queries
    from analysis.search.query_attributes import PREFIX
    from lookalike import console
    from lookalike.commands.search_page import write_page
    from pages.gallery import MAX_QUERIES

    words = [*(query or ()), *([PREFIX + attributes] if attributes is not None else [])]
    if not words:
        raise UsageError("query", expected="an image, a table, id:NAME or --attributes NAME=VALUE,...", got="none")
    require_shown(gallery is not None, "--gallery FILE.html", images, image_column, image_id_column)
    named = named_images(images, image_column, image_id_column)
    limits = image_limits(max_megapixels, max_image_mb)
    require_read_timeout(read_timeout_s)
    opened = Index.open(index)
    asked = [each for each in (*words, *(minus or ())) if not each.startswith((ID_PREFIX, PREFIX))]
    own = [opened.images.source] if opened.images is not None else []
    reads = (*index_files(index), *(Path(each) for each in asked), columns_from)
    require_own_files({"--gallery": gallery}, reads=reads, images=(images, *own, *asked))
    of_images = ("column", "send", *(() if gallery is not None else connecting.LIMITS))
    if not asked:
        require_not_given(context, (*of_images, "columns_from"), "no image and no table of vectors is asked for")
    if distance not in (None, opened.distance):
        expected = f"{opened.distance}, as the index was built"
        raise UsageError("--distance", expected=expected, got=str(distance), where=index)
    if dims not in (None, opened.dim):
        raise UsageError("--dims", expected=f"{opened.dim}, as the index was built", got=str(dims), where=index)
    places = None if where is None else matching_rows(opened.rows, where)
    num_rows = opened.num_rows if places is None else len(places)
    open_model = None
    if model is not None and (url is None) != (repository is None):
        open_model = partial(connecting.open_scorer, model, **connecting.given_connection(context) | {"dims": None})
    read = partial(
        read_queries,
        k=max(1, min(k, num_rows)),
        column=column,
        columns_from=columns_from,
        vouched=distance is not None,
        dims=dims,
        index_dim=opened.dim,
        lineage=opened.lineage,
        num_shown=MAX_QUERIES,
        limits=limits,
        read_timeout_s=read_timeout_s,
    )
    if is_combined(words, minus or ()):
        queries = read_combined(words, minus or (), opened, read=read, open_model=open_model)
    else:
        queries = read(place_or_attributes(words[0]), open_model=open_model)
        if not queries.are_pictured:
            require_not_given(context, of_images, f"{words[0]} is a table of attributes")
    for line in queries.notes:
        console.note(line)
    searched = opened if places is None else opened.of_rows(places, num_queries=queries.num_queries)
    if where is not None:
        console.note(f"{num_rows:,} of {opened.num_rows:,} rows meet the condition")
    page = None
    if gallery is not None:
        page = partial(
            write_page,
            gallery,
            searched,
            queries,
            name=index.name,
            condition=where,
            images=named,
            limits=limits,
            read_timeout_s=read_timeout_s,
        )
    _answer(
        queries,
        searched,
        k=k,
        when="among these rows" if where is not None else None,
        page=page,
        rerank=rerank,
        as_json=as_json,
    )


def _answer(
    queries: Queries,
    index: Index,
    *,
    k: int,
    when: str | None,
    page: Callable[..., None] | None,
    rerank: bool,
    as_json: bool,
) -> None:
    """Print the neighbours of all queries, block by block; raises typer.Exit where some were no images.

    Args:
        when: the recall of the index is that of this moment, or of these rows; None: of its last change.
        page: writes the page of the first block and what was found for it.
    """
    from analysis.search.reranked import DEPTH, RerankedSearch
    from lookalike import console
    from lookalike.results.answers import JsonAnswers, TableAnswers, bad_queries_line, recall_line
    from lookalike.results.jobs import EXIT_BAD_ROWS

    recall = recall_line(index, when=when)
    searched = RerankedSearch(index) if rerank else index
    if rerank and index.num_rows > 1:
        depth = min(index.num_rows, max(DEPTH, 2 * k))
        console.note(f"the nearest {depth:,} are put in order by the neighbours that they share with the query")
    answers = JsonAnswers() if as_json else TableAnswers()
    for number, block in enumerate(queries.blocks):
        found = searched.search(block.vectors, k)
        if number == 0:
            if page is not None:
                page(block, found, recall=recall)
            if recall is not None:
                console.note(recall)
        answers.add(block.ids, found)
    answers.end()
    if queries.bad:
        console.note(bad_queries_line(queries.bad, what="images" if queries.are_pictured else "attributes"))
        raise typer.Exit(EXIT_BAD_ROWS)
