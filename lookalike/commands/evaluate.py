"""evaluate: vectors measured against labels, or scored tuples against themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from artifact.errors import UsageError
from lookalike.commands.options import COLUMN, DIMS, DISTANCE, JSON, VECTORS
from lookalike.commands.tables import ColumnsFrom, left_out_facts, open_vectors, tell


def evaluate(
    vectors: Annotated[Path, VECTORS],
    label: Annotated[
        str | None,
        typer.Option(help="Column that holds the class; not needed for scored tuples.", metavar="COLUMN"),
    ] = None,
    dims: Annotated[int | None, DIMS] = None,
    column: Annotated[str | None, COLUMN] = None,
    columns_from: ColumnsFrom = None,
    distance: Annotated[str | None, DISTANCE] = None,
    queries: Annotated[
        str | None,
        typer.Option(
            help="Rank a sample of N; or with --attributes the vectors of attributes that ask for images.",
            metavar="N|VECTORS",
        ),
    ] = None,
    attributes: Annotated[
        str | None,
        typer.Option(help="Columns of attributes of both tables, to measure what they find.", metavar="A,B,..."),
    ] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples of the classes.", metavar="N")] = 200,
    per_class: Annotated[bool, typer.Option("--per-class", help="Add a line for each class, worst first.")] = False,
    rerank: Annotated[
        bool, typer.Option("--rerank", help="Add what re-ranking by k-reciprocal neighbours gains.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Decides the samples and starts.")] = 0,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Measure vectors against labels: retrieval, verification, ranking accuracy and k-means, with intervals.

    Without --label: ranking accuracy of scored triplets and quartets, verification of pairs with a column `different`.
    With --attributes and --queries: how well rows of attributes find the images that have them.
    """
    from analysis.evaluation.labelled_tables import evaluate as measure
    from lookalike import console
    from lookalike.results.evaluations import print_evaluation

    if attributes is not None:
        useless = {"--label": label is not None, "--per-class": per_class, "--rerank": rerank}
        _refuse(useless, expected="none beside --attributes")
        if queries is None:
            raise UsageError("--attributes", expected="--queries VECTORS, the rows of attributes that ask", got="none")
        from analysis.evaluation.attribute_tables import evaluate_attributes
        from lookalike.results.attribute_evaluations import print_attribute_evaluation

        table = open_vectors(vectors, column, columns_from=columns_from, dims=dims, copies=False)
        asking = open_vectors(Path(queries), column, dims=dims, copies=False)
        names = [name.strip() for name in attributes.split(",") if name.strip()]
        facts = evaluate_attributes(table, asking, names, distance=distance, bootstrap=bootstrap, seed=seed)
        if as_json:
            console.print_json(facts | left_out_facts(table, asking))
        else:
            print_attribute_evaluation(facts)
        return
    sample = _sample(queries)
    if label is None:
        given = {
            "--queries": queries is not None,
            "--per-class": per_class,
            "--rerank": rerank,
            "--distance": distance is not None,
        }
        _refuse(given, expected="--label with {}")
        from analysis.evaluation.tuple_tables import evaluate_tuples, open_tuples

        table = open_tuples(vectors, columns_from=columns_from).cut(dims)
        tell(table, copies=False)
        facts = evaluate_tuples(table)
    else:
        table = open_vectors(vectors, column, columns_from=columns_from, dims=dims, copies=False)
        facts = measure(
            table,
            label,
            distance=distance,
            queries=sample,
            bootstrap=bootstrap,
            per_class=per_class,
            rerank=rerank,
            seed=seed,
        )
    if as_json:
        console.print_json(facts | left_out_facts(table))
    else:
        print_evaluation(facts, per_class=per_class)


def _refuse(given: dict[str, bool], *, expected: str) -> None:
    """Raise UsageError that names the options which are given."""
    useless = [option for option, is_given in given.items() if is_given]
    if useless:
        raise UsageError(" and ".join(useless), expected=expected.format("it" if len(useless) == 1 else "them"))


def _sample(queries: str | None) -> int | None:
    """The number of queries that --queries says."""
    if queries is None:
        return None
    if not queries.isdecimal() or not int(queries):
        expected = "a number of at least 1, or vectors together with --attributes A,B"
        raise UsageError("--queries", expected=expected, got=queries)
    return int(queries)
