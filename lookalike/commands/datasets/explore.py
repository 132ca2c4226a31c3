"""explore: a page of vectors to look around in, one file that opens from disk, or served to a browser."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artifact.errors import UsageError
from lookalike.commands import connecting
from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON
from lookalike.commands.pictures import IMAGE_COLUMN, IMAGE_ID_COLUMN, image_limits, named_images
from lookalike.commands.tables import COLUMNS_FROM, left_out_facts, open_vectors, require_no_method, require_own_files

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lookalike.exploring.assembly import Wanted
    from rows.vectors.table import VectorTable

TABS = ("duplicates", "outliers", "labels", "comparison")


def explore(
    context: typer.Context,
    vectors: Annotated[
        list[Path],
        typer.Argument(
            help="Folder that `lookalike score` wrote, or a table of vectors; several are shown together as sets.",
            metavar="VECTORS...",
        ),
    ],
    output: Annotated[Path | None, typer.Option(help="Page to write.", metavar="FILE.html")] = None,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page to a browser of this machine; --model implies it.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to serve on; 0 chooses a free one. [default: 0]")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="Model that gave the vectors: pictures can be dropped on the page.", metavar="NAME"),
    ] = None,
    url: connecting.Url = None,
    repository: connecting.Repository = None,
    version: connecting.Version = None,
    method: Annotated[
        str | None, typer.Option(help="How the map is laid out: pca, umap or pacmap. [default: pca, or the layout's]")
    ] = None,
    layout: Annotated[
        Path | None,
        typer.Option(help="Map that `lookalike map` saved: rows are placed on it.", metavar="FILE.parquet"),
    ] = None,
    images: Annotated[
        list[str] | None,
        typer.Option(
            help="Table or folder of the images, joined by id; once, or once for each VECTORS. [default: what was "
            "scored]",
            metavar="TABLE",
        ),
    ] = None,
    image_column: Annotated[str | None, IMAGE_COLUMN] = None,
    image_id_column: Annotated[str | None, IMAGE_ID_COLUMN] = None,
    thumbnails: Annotated[
        int, typer.Option(help="Longest side of the pictures in the page, 32 to 256 px; 0: none.", metavar="PX")
    ] = 64,
    label: Annotated[
        str | None, typer.Option(help="Column of classes. [default: label, where there is one]", metavar="COLUMN")
    ] = None,
    color: Annotated[
        str | None, typer.Option("--color", help="Column that the points are coloured by at first.", metavar="COLUMN")
    ] = None,
    title: Annotated[
        str | None, typer.Option(help="Of the page. [default: the names of the tables]", metavar="TEXT")
    ] = None,
    neighbours: Annotated[int, typer.Option(min=0, max=100, help="Neighbours of each row in the page.")] = 10,
    tabs: Annotated[
        str,
        typer.Option(help="Which findings to look for: of duplicates, outliers, labels, comparison; or none."),
    ] = ",".join(TABS),
    seed: Annotated[int, typer.Option(min=0, help="Decides the layout and whatever is drawn.")] = 0,
    dims: Annotated[int | None, DIMS] = None,
    column: Annotated[str | None, COLUMN] = None,
    columns_from: Annotated[list[Path] | None, COLUMNS_FROM] = None,
    distance: Annotated[str | None, DISTANCE] = None,
    max_megapixels: connecting.MaxMegapixels = connecting.DEFAULT_MAX_MEGAPIXELS,
    max_image_mb: connecting.MaxImageMb = connecting.DEFAULT_MAX_IMAGE_MB,
    timeout_s: connecting.TimeoutS = connecting.DEFAULT_TIMEOUT_S,
    tls: connecting.Tls = False,
    tls_ca: connecting.TlsCa = None,
    tls_certificate: connecting.TlsCertificate = None,
    tls_key: connecting.TlsKey = None,
    token_file: connecting.TokenFile = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Write or serve a page to look around in vectors: a map with pictures, search, selection, and what was found."""
    from analysis.datasets.maps.layout import Layout
    from analysis.datasets.maps.methods import PCA, require_method
    from lookalike.exploring.assembly import Wanted
    from rows.pictures.sprites import require_cell

    require_method(method or PCA)
    if layout is not None:
        require_no_method(layout, {"--method": method})
    is_served = serve or model is not None
    if is_served == (output is not None):
        raise UsageError("where the page goes", expected="one of --output FILE.html and --serve (or --model)")
    if port is not None and not is_served:
        raise UsageError("--port", expected="--serve or --model NAME, which take one", got="--output")
    places = {"--url": url, "--repository": repository, "--version": version, "--tls": tls or None, "--tls-ca": tls_ca}
    places |= {"--tls-certificate": tls_certificate, "--tls-key": tls_key, "--token-file": token_file}
    for name, value in places.items():
        if model is None and value is not None:
            raise UsageError(name, expected="--model NAME, of which it says where it runs", got="none")
    if model is not None:
        connecting.require_one_place(url, repository)
    limits = image_limits(max_megapixels, max_image_mb)
    if thumbnails:
        require_cell(thumbnails)
    elif images:
        raise UsageError("--images", expected="--thumbnails PX of 32 to 256, which are of them", got="--thumbnails 0")
    if images and len(images) not in (1, len(vectors)):
        raise UsageError("--images", expected=f"1 or {len(vectors)}, one for each VECTORS", got=str(len(images)))
    for source in images or ():
        named_images(source, image_column, image_id_column)
    if not images:
        named_images(None, image_column, image_id_column)
    require_own_files({"--output": output}, reads=(*vectors, *(columns_from or ()), layout), images=images or ())
    beside: list[Path | None] = [*columns_from] if columns_from else [None] * len(vectors)
    if len(beside) != len(vectors):
        raise UsageError("--columns-from", expected=f"{len(vectors)}, one for each VECTORS", got=str(len(beside)))
    placed_on = None if layout is None else Layout.open(layout)
    if placed_on is not None and placed_on.vectors is not None:
        require_own_files({"--output": output}, reads=(Path(placed_on.vectors.source),))
    tables = [
        open_vectors(table, column, columns_from=each, dims=dims) for table, each in zip(vectors, beside, strict=True)
    ]
    wanted = Wanted(
        method=method or PCA,
        layout=placed_on,
        neighbours=neighbours,
        thumbnails_px=thumbnails,
        images=images or (),
        image_column=image_column,
        image_id_column=image_id_column,
        limits=limits,
        label=label or ("label" if any("label" in table.columns for table in tables) else None),
        colour=color,
        title=title,
        findings=parse_tabs(tabs),
        distance=distance,
        seed=seed,
    )
    if output is not None:
        _write(output, tables, wanted, as_json=as_json)
        return
    _serve(
        tables,
        wanted,
        port=port or 0,
        model=model,
        connection=connecting.given_connection(context) | {"dims": None},
        as_json=as_json,
    )


def _write(output: Path, tables: Sequence[VectorTable], wanted: Wanted, *, as_json: bool) -> None:
    """Write the page as one file."""
    from lookalike.exploring.assembly import assemble
    from lookalike.progress import EventProgress
    from lookalike.results.explorations import print_exploration
    from pages.explorer.writer import write_explorer

    with EventProgress() as progress:
        found = assemble(tables, wanted, report=progress.report)
        write_explorer(output, found.data)
    left_out = [left_out_facts(table)["left_out"] for table in tables]
    print_exploration(found, output, left_out=left_out, as_json=as_json)


def _serve(
    tables: Sequence[VectorTable],
    wanted: Wanted,
    *,
    port: int,
    model: str | None,
    connection: dict[str, Any],
    as_json: bool,
) -> None:
    """Serve the page until a signal comes. What can be wrong is looked at first: port, model, then the table."""
    from lookalike import console
    from lookalike.exploring.listening import HOST, page_server
    from lookalike.exploring.served import open_served, require_scorer
    from lookalike.exploring.table_tags import tag_files
    from lookalike.progress import EventProgress
    from lookalike.results.served_explorations import print_served
    from pages.explorer.guard import new_token
    from pages.explorer.server import explorer_app

    with contextlib.ExitStack() as stack:
        server = stack.enter_context(page_server(port, report=console.note))
        scorer = None
        if model is not None:
            lineage = tables[0].lineage
            dims = lineage.dims if lineage is not None else None
            scorer = stack.enter_context(connecting.open_scorer(model, **connection | {"dims": dims}))
            require_scorer(scorer, tables[0], vouched=wanted.distance is not None)
        with EventProgress() as progress:
            served, notes = open_served(tables, wanted, scorer=scorer, report=progress.report)
        token, answers = new_token(), served.answers()
        address = f"http://{HOST}:{server.port}/{token}/"

        def started() -> None:
            served.warm()
            print_served(address, server.port, answers, notes=notes, tags=tag_files(tables), as_json=as_json)

        server.run(explorer_app(answers, token, report=console.note), started=started)


def parse_tabs(text: str) -> list[str]:
    """`duplicates,labels` as a list, `none` as an empty one; raises UsageError."""
    names = [] if text == "none" else text.split(",")
    unknown = [name for name in names if name not in TABS]
    if unknown:
        raise UsageError("--tabs", expected=f"some of {','.join(TABS)}, or none", got=repr(unknown[0]))
    return names
