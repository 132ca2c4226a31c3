"""index, search, cluster, evaluate: what vectors are for."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from artifact.errors import UsageError
from lookalike.commands import connecting

VECTORS = typer.Argument(help="Folder that `lookalike score` wrote, or a Parquet file.", metavar="VECTORS")
COLUMN = typer.Option("--column", help="Vector column: embedding, or embedding_<stream>.")
JSON = typer.Option("--json", help="Print JSON to stdout.")


def register(app: typer.Typer) -> None:
    """Add this file's commands."""
    for command in (index, search, cluster, evaluate):
        app.command()(command)


def index(
    vectors: Annotated[Path, VECTORS],
    output: Annotated[Path, typer.Option(help="Index file to write.", metavar="FILE")],
    kind: Annotated[str, typer.Option(help="flat (exact), ivf (lists), or auto: by size.")] = "auto",
    recall: Annotated[float, typer.Option(help="recall@10 that ivf must reach on a sample.")] = 0.97,
    seed: Annotated[int, typer.Option(min=0, help="Decides the lists and the sample.")] = 0,
    column: Annotated[str, COLUMN] = "embedding",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Build a search index over a table of vectors; its recall against exact search is measured."""
    from analysis.search.index import Index, rows_file
    from lookalike import console
    from rows.vectors.parts import require_not_input
    from rows.vectors.table import VectorTable

    for file in (output, rows_file(output)):
        require_not_input(file, vectors)
    built = Index.build(VectorTable.open(vectors, column), kind=kind, recall=recall, seed=seed)
    built.save(output)
    facts: dict[str, Any] = {
        "index": str(output),
        "kind": built.kind,
        "num_rows": built.num_rows,
        "distance": built.distance,
        **built.parameters,
        "images": str(built.images) if built.images else None,
    }
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts("indexed", facts)


def search(
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
            help="Folder that the ids of the index are paths in; by default the one that was scored.", metavar="DIR"
        ),
    ] = None,
    column: Annotated[str, COLUMN] = "embedding",
    tls: connecting.Tls = False,
    tls_ca: connecting.TlsCa = None,
    tls_certificate: connecting.TlsCertificate = None,
    tls_key: connecting.TlsKey = None,
    token_file: connecting.TokenFile = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Find the nearest vectors to an image, to each of some images, or to each vector of a table."""
    from analysis.search.index import Index
    from lookalike import console
    from lookalike.commands.answers import JsonAnswers, TableAnswers
    from lookalike.commands.queries import picture_finder, read_queries

    if images is not None and not images.is_dir():
        raise UsageError("--images", expected="a folder", got=str(images))
    opened = Index.open(index)
    open_scorer = None
    if model is not None and (url is None) != (repository is None):
        open_scorer = partial(
            connecting.open_scorer,
            model,
            url=url,
            repository=repository,
            version=version,
            tls=tls,
            tls_ca=tls_ca,
            tls_certificate=tls_certificate,
            tls_key=tls_key,
            token_file=token_file,
        )
    num_queries, blocks = read_queries(
        query, k=min(k, opened.num_rows), column=column, lineage=opened.lineage, open_scorer=open_scorer, images=images
    )
    recall = None
    if opened.kind != "flat":
        measured = opened.parameters.get("recall@10", "not measured")
        recall = f"approximate: recall@10 was {measured} when it was built"
    answers = JsonAnswers() if as_json else TableAnswers()
    for number, block in enumerate(blocks):
        found = opened.search(block.vectors, k)
        if number == 0 and gallery is not None:
            from pages.gallery import write_search_gallery

            shown = list(zip(block.ids, block.pictures, strict=False))
            facts = {
                "index": index.name,
                "num_rows": opened.num_rows,
                "distance": opened.distance,
                "lineage": opened.lineage,
                "recall": recall,
            }
            pictures = picture_finder(images or opened.images)
            write_search_gallery(
                gallery, shown, found[: len(shown)], num_queries=num_queries, picture_of=pictures, facts=facts
            )
            console.note(f"{gallery} shows the pictures")
        if number == 0 and recall is not None:
            console.note(recall)
        answers.add(block.ids, found)
    answers.end()


def cluster(
    vectors: Annotated[Path, VECTORS],
    k: Annotated[int, typer.Option("-k", min=1, help="Number of clusters.")],
    output: Annotated[Path, typer.Option(help="Parquet file to write.", metavar="FILE")],
    seed: Annotated[int, typer.Option(min=0, help="Decides the starts.")] = 0,
    column: Annotated[str, COLUMN] = "embedding",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Group vectors by k-means: sizes, medoids and silhouettes, and for every row its cluster and distance."""
    from analysis.clusters.table_clusters import cluster_table
    from lookalike import console
    from rows.vectors.table import VectorTable

    clusters = cluster_table(VectorTable.open(vectors, column), k, output, seed=seed)
    facts = {
        "output": str(output),
        "num_clusters": k,
        "num_rows": clusters.num_rows,
        "inertia": float(clusters.inertia),
        "distance": clusters.distance,
        "silhouette": clusters.silhouette,
        "silhouette_rows": clusters.silhouette_rows,
        "training_rows": clusters.training_rows,
    }
    rows = clusters.rows()
    if as_json:
        console.print_json(facts | {"sizes": [int(size) for size in clusters.sizes], "clusters": rows})
        return
    cells = [["" if value is None else console.show(value) for value in row.values()] for row in rows]
    console.print_table(list(rows[0]), cells)
    sys.stdout.write("\n")
    console.print_facts("clustered", facts)


def evaluate(
    vectors: Annotated[Path, VECTORS],
    label: Annotated[
        str | None,
        typer.Option(help="Column that holds the class; not needed for scored tuples.", metavar="COLUMN"),
    ] = None,
    column: Annotated[str, COLUMN] = "embedding",
    queries: Annotated[int | None, typer.Option(min=1, help="Rank a sample of N.", metavar="N")] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of the classes.", metavar="N")] = 200,
    per_class: Annotated[bool, typer.Option("--per-class", help="Add a line for each class, worst first.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Decides the samples and starts.")] = 0,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Measure vectors against labels: retrieval, verification, ranking accuracy and k-means, with intervals.

    Without --label: ranking accuracy of scored triplets and quartets, verification of pairs with a column `different`.
    """
    from analysis.evaluation.labelled_tables import evaluate as measure
    from lookalike import console
    from rows.vectors.table import VectorTable

    if label is None:
        if queries is not None or per_class:
            raise UsageError("--queries and --per-class", expected="--label with them")
        from analysis.evaluation.tuple_tables import evaluate_tuples, open_tuples

        facts = evaluate_tuples(open_tuples(vectors))
    else:
        table = VectorTable.open(vectors, column)
        facts = measure(table, label, queries=queries, bootstrap=bootstrap, per_class=per_class, seed=seed)
    if as_json:
        console.print_json(facts)
        return
    shares = facts | (facts["verification"] or {})
    rows = [
        [name, *(console.show(value) if value is not None else "" for value in _with_interval(shares, name))]
        for name in shares
        if isinstance(shares[name], float) and not name.endswith(("_low", "_high"))
    ]
    console.print_table(["metric", "value", "low", "high"], rows)
    named = (
        "num_rows",
        "num_unlabelled",
        "num_classes",
        "queries",
        "queries_from",
        "skipped",
        "mAP_queries",
        "tuples",
        "tuples_from",
        "distance",
        "column",
    )
    pairs = {"pairs": shares.get("protocol")}
    sys.stdout.write("\n")
    console.print_facts("evaluated", {name: facts.get(name) for name in named} | pairs)
    if per_class:
        sys.stdout.write("\n")
        worst_first = sorted(facts["per_class"], key=lambda row: (row["recall@1"], row["mAP@R"]))
        console.print_table(list(worst_first[0]), [list(row.values()) for row in worst_first])


def _with_interval(facts: dict[str, Any], name: str) -> list[float | None]:
    return [facts[name], facts.get(f"{name}_low"), facts.get(f"{name}_high")]
