"""score: a table of images through a server or in-process, into a table of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artifact.errors import DataError, UsageError
from artifact.kinds import BRANCH_INPUT, KINDS
from lookalike.commands import connecting, engines
from lookalike.commands.stopping import EXIT_TERMINATED, Terminated, terminable

if TYPE_CHECKING:
    from rows.tables import ImageTable
    from serving.client.scorer import Scorer

EXIT_BAD_ROWS = 3
FULL_SUFFIX = "_full"
"""What `export` and `train --deploy` put behind the name of a run's full model."""


def register(app: typer.Typer) -> None:
    """Add this file's command."""
    app.command()(score)


def score(
    table: Annotated[
        str, typer.Argument(help="Image folder, or a table of them: a file, a pattern, a URL.", metavar="TABLE")
    ],
    model: Annotated[str, typer.Option(help="Name of a published model.", metavar="NAME")],
    output: Annotated[Path, typer.Option(help="Folder for the vectors.", metavar="DIR")],
    url: connecting.Url = None,
    repository: connecting.Repository = None,
    version: connecting.Version = None,
    device: connecting.Device = "cpu",
    columns: Annotated[
        str | None, typer.Option(help="Streams' columns: anchor=a,positive=b", metavar="S=C,...")
    ] = None,
    loss: Annotated[
        bool, typer.Option("--loss", help="Add each tuple's loss; pairs need different=C or same=C.")
    ] = False,
    copy: Annotated[str | None, typer.Option(help="Columns to copy to the output.", metavar="C,D")] = None,
    id_column: Annotated[str | None, typer.Option(help="Column of row ids.")] = None,
    shard: Annotated[
        str | None, typer.Option(help="Score the I-th of N shares; `merge` joins them.", metavar="I/N")
    ] = None,
    rows_per_part: Annotated[int, typer.Option(min=1, max=65536, help="Rows of a part file.")] = 8192,
    retry_errors: Annotated[bool, typer.Option("--retry-errors", help="Try the bad rows again.")] = False,
    output_format: Annotated[
        str, typer.Option("--format", help="parquet; npy and npz add arrays beside it.", metavar="FORMAT")
    ] = "parquet",
    engine: engines.EngineName = "local",
    address: engines.Address = None,
    actors: engines.Actors = None,
    actor_cpus: engines.ActorCpus = None,
    send: connecting.Send = "auto",
    batch_size: connecting.BatchSize = None,
    timeout_s: connecting.TimeoutS = connecting.DEFAULT_TIMEOUT_S,
    retry_s: connecting.RetryS = connecting.DEFAULT_RETRY_S,
    tls: connecting.Tls = False,
    tls_ca: connecting.TlsCa = None,
    tls_certificate: connecting.TlsCertificate = None,
    tls_key: connecting.TlsKey = None,
    token_file: connecting.TokenFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout.")] = False,
) -> None:
    """Score a table: one vector per image, or one per stream with the distances between them."""
    if (url is None) == (repository is None):
        raise UsageError("where to score", expected="exactly one of --url HOST:PORT and --repository DIR")
    mapping = parse_columns(columns)

    from lookalike import console
    from lookalike.progress import EventProgress
    from serving.jobs.scoring import score_table
    from serving.jobs.shards import WHOLE, Shard

    share = WHOLE if shard is None else Shard.parse(shard)
    made_by = engines.open_engine(
        engine,
        model=model,
        repository=repository,
        device=device,
        batch_size=batch_size,
        address=address,
        actors=actors,
        actor_cpus=actor_cpus,
    )
    try:
        with (
            terminable(),
            connecting.open_scorer(
                model,
                url=url,
                repository=repository,
                version=version,
                device=device,
                send=send,
                batch_size=batch_size,
                timeout_s=timeout_s,
                retry_s=retry_s,
                tls=tls,
                tls_ca=tls_ca,
                tls_certificate=tls_certificate,
                tls_key=tls_key,
                token_file=token_file,
            ) as scorer,
            EventProgress() as progress,
        ):
            target = _take_target(mapping, table) if loss and len(scorer.streams) == 2 else None
            result = score_table(
                _open_rows(table, scorer, model, mapping, copy, id_column, target, loss),
                scorer,
                output,
                rows_per_part=rows_per_part,
                shard=share,
                loss=loss,
                target=target,
                retry_errors=retry_errors,
                output_format=output_format,
                engine=made_by,
                report=progress.report,
            )
    except KeyboardInterrupt as stop:
        console.note(_how_far(output))
        if isinstance(stop, Terminated):
            raise typer.Exit(EXIT_TERMINATED) from None
        raise
    print_result("scored", output, asdict(result), as_json=as_json)


def print_result(title: str, output: Path, facts: dict[str, Any], *, as_json: bool) -> None:
    """A finished job to stdout, what is odd about it to stderr; raises Exit with 3 where there are bad rows."""
    from lookalike import console

    for line in (facts["note"], *facts["warnings"]):
        if line:
            console.note(line)
    facts = {"output": str(output)} | facts
    if as_json:
        console.print_json(facts)
    else:
        shown = {"parts": len(facts["parts"]), "arrays": facts["arrays"] or None, "note": None, "warnings": None}
        console.print_facts(title, facts | shown)
    if facts["num_errors"]:
        console.note(f"{facts['num_errors']} rows with bad images, listed in {output / 'errors.parquet'}")
        raise typer.Exit(EXIT_BAD_ROWS)


def parse_columns(text: str | None) -> dict[str, str]:
    """`anchor=a,positive=b` as {stream: column}; raises UsageError."""
    mapping: dict[str, str] = {}
    for pair in (text or "").split(",") if text else []:
        stream, equals, column = pair.partition("=")
        if not equals or not stream or not column or stream in mapping:
            raise UsageError("--columns", expected="STREAM=COLUMN,... with each stream once", got=repr(text))
        mapping[stream] = column
    return mapping


def _open_rows(
    table: str,
    scorer: Scorer,
    model: str,
    mapping: dict[str, str],
    copy: str | None,
    id_column: str | None,
    target: tuple[str, str] | None,
    loss: bool,
) -> ImageTable:
    """The table with the streams that the model takes; an image folder for a full model names the model to use."""
    from rows.tables import open_table

    manifest = scorer.manifest
    copied = [*(copy.split(",") if copy else []), *([target[1]] if target else [])]
    streams = _streams(mapping, manifest.kind, manifest.is_branch and not loss)
    try:
        return open_table(table, streams=streams, columns=mapping, copy=copied, id_column=id_column)
    except DataError as error:
        if manifest.is_branch or error.got != "an image folder":
            raise
        branch = model.removesuffix(FULL_SUFFIX)
        named = f"model {branch!r}" if branch != model else "model of the same run"
        mend = f"score single images with the branch {named}"
        raise DataError(error.what, expected=error.expected, got=error.got, where=error.where, mend=mend) from None


def _how_far(output: Path) -> str:
    """What is done of a job that was stopped."""
    from rows.vectors.parts import read_manifest

    num_rows = read_manifest(output).get("num_rows", 0)
    return f"{num_rows} rows are done and kept; the same command goes on from there"


def _take_target(mapping: dict[str, str], table: str) -> tuple[str, str]:
    """(`different` or `same`, column) of a table of pairs, out of the mapping or by its name; raises DataError."""
    from rows.formats.opening import open_source
    from serving.jobs.loss_column import TARGETS, find_target

    named = [role for role in TARGETS if role in mapping]
    if len(named) > 1:
        raise UsageError("target of pairs", expected="different or same", got="both", where="--columns")
    if named:
        return named[0], mapping.pop(named[0])
    source, where = open_source(table)
    return find_target(source.schema.names, where=where)


def _streams(mapping: dict[str, str], kind: str, is_branch: bool) -> Sequence[str]:
    """Single-stream unless the artifact is full, a loss is asked for or the user maps the kind's streams."""
    streams = KINDS[kind].streams
    if is_branch and set(mapping) <= {BRANCH_INPUT}:
        return (BRANCH_INPUT,)
    unknown = set(mapping) - set(streams)
    if unknown:
        raise UsageError(
            f"stream {sorted(unknown)[0]!r} of --columns", expected=f"one of {', '.join(streams)}", got="another name"
        )
    return streams
