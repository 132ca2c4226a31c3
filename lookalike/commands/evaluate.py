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
    queries: Annotated[int | None, typer.Option(min=1, help="Rank a sample of N.", metavar="N")] = None,
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
    """
    from analysis.evaluation.labelled_tables import evaluate as measure
    from lookalike import console
    from lookalike.results.evaluations import print_evaluation

    if label is None:
        given = {
            "--queries": queries is not None,
            "--per-class": per_class,
            "--rerank": rerank,
            "--distance": distance is not None,
        }
        useless = [option for option, is_given in given.items() if is_given]
        if useless:
            raise UsageError(" and ".join(useless), expected=f"--label with {'it' if len(useless) == 1 else 'them'}")
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
            queries=queries,
            bootstrap=bootstrap,
            per_class=per_class,
            rerank=rerank,
            seed=seed,
        )
    if as_json:
        console.print_json(facts | left_out_facts(table))
    else:
        print_evaluation(facts, per_class=per_class)
