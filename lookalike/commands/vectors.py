"""index, search, cluster, evaluate: what vectors are for."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from artifact.errors import UsageError

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
    column: Annotated[str, COLUMN] = "embedding",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Build a search index over a table of vectors."""
    from analysis.index import Index
    from lookalike import console
    from rows.vectors import VectorTable

    built = Index.build(VectorTable.open(vectors, column))
    built.save(output)
    facts: dict[str, Any] = {
        "index": str(output),
        "kind": built.kind,
        "num_rows": built.num_rows,
        "distance": built.distance,
    }
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts("indexed", facts)


def search(
    index: Annotated[Path, typer.Argument(help="Index file.", metavar="INDEX")],
    query: Annotated[Path, typer.Argument(help="An image, or a table of vectors.", metavar="IMAGE|VECTORS")],
    k: Annotated[int, typer.Option("-k", min=1, help="Neighbours per query.")] = 10,
    model: Annotated[str | None, typer.Option(help="Model of the same space, for an image.", metavar="NAME")] = None,
    url: Annotated[str | None, typer.Option(help="Server that has the model.", metavar="HOST:PORT")] = None,
    repository: Annotated[Path | None, typer.Option(help="Run the model in this process instead.")] = None,
    column: Annotated[str, COLUMN] = "embedding",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Find the nearest vectors to an image or to each vector of a table."""
    from analysis.index import Index
    from lookalike import console
    from rows.lineage import require_same_space
    from rows.vectors import VectorTable

    opened = Index.open(index)
    is_image = query.is_file() and query.suffix.lower() != ".parquet"
    if not is_image:
        table = VectorTable.open(query, column)
        require_same_space(opened.lineage, table.lineage)
        ids, matrix = table.ids, table.matrix
    else:
        if model is None or (url is None) == (repository is None):
            raise UsageError("an image needs a model", expected="--model NAME and one of --url and --repository")
        from serving.scorer import Scorer

        with Scorer(model, url=url, repository=repository) as scorer:
            require_same_space(opened.lineage, scorer.lineage)
            ids, matrix = [str(query)], scorer.embed([query])
    found = opened.search(matrix, k)
    if as_json:
        console.print_json([{"query": each, "neighbours": rows} for each, rows in zip(ids, found, strict=True)])
        return
    lines = [
        {"query": each, "rank": rank} | row
        for each, rows in zip(ids, found, strict=True)
        for rank, row in enumerate(rows, start=1)
    ]
    console.print_table(list(lines[0]), [list(line.values()) for line in lines])


def cluster(
    vectors: Annotated[Path, VECTORS],
    k: Annotated[int, typer.Option("-k", min=1, help="Number of clusters.")],
    output: Annotated[Path, typer.Option(help="Parquet file to write.", metavar="FILE")],
    seed: Annotated[int, typer.Option(min=0, help="Decides the starts.")] = 0,
    column: Annotated[str, COLUMN] = "embedding",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Group vectors by k-means: id, cluster and distance to its centre for every row."""
    from analysis.clusters import cluster_table
    from lookalike import console
    from rows.vectors import VectorTable

    clusters = cluster_table(VectorTable.open(vectors, column), k, output, seed=seed)
    facts = {
        "output": str(output),
        "num_clusters": k,
        "sizes": [int(size) for size in clusters.sizes],
        "inertia": float(clusters.inertia),
    }
    if as_json:
        console.print_json(facts)
    else:
        console.print_facts("clustered", facts)


def evaluate(
    vectors: Annotated[Path, VECTORS],
    label: Annotated[str, typer.Option(help="Column that holds the class.", metavar="COLUMN")],
    column: Annotated[str, COLUMN] = "embedding",
    queries: Annotated[int | None, typer.Option(min=1, help="Rank a sample of N.", metavar="N")] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of the classes.", metavar="N")] = 200,
    per_class: Annotated[bool, typer.Option("--per-class", help="Add a line for each class, worst first.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Decides the samples and starts.")] = 0,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Measure vectors against labels: retrieval, verification, ranking accuracy and k-means, with intervals."""
    from analysis.evaluation import evaluate as measure
    from lookalike import console
    from rows.vectors import VectorTable

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
    named = ("num_rows", "num_unlabelled", "num_classes", "queries", "skipped", "mAP_queries", "tuples", "tuples_from",
             "distance", "column")  # fmt: skip
    pairs = {"pairs": shares.get("protocol")}
    sys.stdout.write("\n")
    console.print_facts("evaluated", {name: facts[name] for name in named} | pairs)
    if per_class:
        sys.stdout.write("\n")
        worst_first = sorted(facts["per_class"], key=lambda row: (row["recall@1"], row["mAP@R"]))
        console.print_table(list(worst_first[0]), [list(row.values()) for row in worst_first])


def _with_interval(facts: dict[str, Any], name: str) -> list[float | None]:
    return [facts[name], facts.get(f"{name}_low"), facts.get(f"{name}_high")]
