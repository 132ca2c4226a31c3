"""score: a table of images through a server or in-process, into a table of vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artifact.kinds import ATTRIBUTES
from lookalike.commands import connecting, engines
from lookalike.commands import regions as of_regions
from lookalike.commands.options import DIMS, JSON, OUTPUT_FORMAT, parse_columns, require_not_given
from lookalike.commands.stopping import EXIT_TERMINATED, Terminated, terminable


def score(
    context: typer.Context,
    table: Annotated[
        str,
        typer.Argument(help="Image folder, or a table of images or attributes.", metavar="TABLE"),
    ],
    model: Annotated[str, typer.Option(help="Name of a published model.", metavar="NAME")],
    output: Annotated[Path, typer.Option(help="Folder for the vectors.", metavar="DIR")],
    url: connecting.Url = None,
    repository: connecting.Repository = None,
    version: connecting.Version = None,
    device: connecting.Device = "cpu",
    dims: Annotated[int | None, DIMS] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns of streams or attributes: anchor=a,positive=b", metavar="S=C,...")
    ] = None,
    loss: Annotated[
        bool, typer.Option("--loss", help="Add each tuple's loss; pairs need different=C or same=C.")
    ] = False,
    copy: Annotated[str | None, typer.Option(help="Columns to copy to the output.", metavar="C,D")] = None,
    id_column: Annotated[str | None, typer.Option(help="Column of row ids.")] = None,
    regions: of_regions.Regions = None,
    region_padding: of_regions.Padding = None,
    region_edge: of_regions.Edge = None,
    region_background: of_regions.Background = None,
    boxes: of_regions.Boxes = None,
    box_format: of_regions.BoxFormat = None,
    box_unit: of_regions.BoxUnit = None,
    table_format: of_regions.TableFormat = None,
    images: of_regions.ImagesFolder = None,
    thumbnails_px: Annotated[
        int | None,
        typer.Option("--thumbnails", help="Write small pictures too, at most so many pixels wide.", metavar="PX"),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="Score the I-th of N shares; `merge` joins them.", metavar="I/N")
    ] = None,
    rows_per_part: Annotated[
        int | None,
        typer.Option(min=1, max=65536, help="Rows of the table in a part file. [default: 8192; of detections fewer]"),
    ] = None,
    retry_errors: Annotated[bool, typer.Option("--retry-errors", help="Try the bad rows again.")] = False,
    output_format: Annotated[str, OUTPUT_FORMAT] = "parquet",
    engine: engines.EngineName = "local",
    address: engines.Address = None,
    actors: engines.Actors = None,
    actor_cpus: engines.ActorCpus = None,
    send: connecting.Send = "auto",
    batch_size: connecting.BatchSize = None,
    max_megapixels: connecting.MaxMegapixels = connecting.DEFAULT_MAX_MEGAPIXELS,
    max_image_mb: connecting.MaxImageMb = connecting.DEFAULT_MAX_IMAGE_MB,
    timeout_s: connecting.TimeoutS = connecting.DEFAULT_TIMEOUT_S,
    read_timeout_s: connecting.ReadTimeoutS = connecting.DEFAULT_READ_TIMEOUT_S,
    retry_s: connecting.RetryS = connecting.DEFAULT_RETRY_S,
    tls: connecting.Tls = False,
    tls_ca: connecting.TlsCa = None,
    tls_certificate: connecting.TlsCertificate = None,
    tls_key: connecting.TlsKey = None,
    token_file: connecting.TokenFile = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Score a table: one vector per image, object or row of attributes, or one per stream with their distances."""
    connecting.require_one_place(url, repository)
    mapping = parse_columns(columns)
    cut = of_regions.region_options(
        regions,
        padding=region_padding,
        edge=region_edge,
        background=region_background,
        boxes=boxes,
        box_format=box_format,
        box_unit=box_unit,
    )
    reading = of_regions.table_reading(table_format, images)

    from lookalike import console
    from lookalike.progress import EventProgress
    from lookalike.results.jobs import print_job, stopped_line
    from serving.jobs.job_manifest import num_rows_done
    from serving.jobs.scoring import score_table
    from serving.jobs.shards import WHOLE, Shard
    from serving.jobs.tables import open_scored_table

    share = WHOLE if shard is None else Shard.parse(shard)
    made_by = engines.open_engine(
        engine,
        model=model,
        repository=repository,
        device=device,
        batch_size=batch_size,
        max_megapixels=max_megapixels,
        max_image_mb=max_image_mb,
        read_timeout_s=read_timeout_s,
        address=address,
        actors=actors,
        actor_cpus=actor_cpus,
    )
    try:
        with (
            terminable(),
            connecting.open_scorer(model, **connecting.given_connection(context)) as scorer,
            EventProgress() as progress,
        ):
            if scorer.manifest.mode == ATTRIBUTES:
                require_not_given(context, ("send", *connecting.LIMITS), f"{model} takes rows of attributes, no images")
            rows, target = open_scored_table(
                table,
                scorer.manifest,
                model=model,
                columns=mapping,
                copy=copy.split(",") if copy else (),
                id_column=id_column,
                loss=loss,
                reading=reading,
                regions=cut,
                region_way=regions,
            )
            result = score_table(
                rows,
                scorer,
                output,
                rows_per_part=rows_per_part,
                shard=share,
                loss=loss,
                thumbnails_px=thumbnails_px,
                target=target,
                retry_errors=retry_errors,
                output_format=output_format,
                engine=made_by,
                report=progress.report,
            )
    except KeyboardInterrupt as stop:
        console.note(stopped_line(num_rows_done(output)))
        if isinstance(stop, Terminated):
            raise typer.Exit(EXIT_TERMINATED) from None
        raise
    print_job("scored", output, result, as_json=as_json, what="images" if scorer.attributes is None else "attributes")
