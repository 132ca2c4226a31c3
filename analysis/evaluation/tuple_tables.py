"""Evaluation of a table of scored tuples without labels: by its own distances, and of pairs by a column of truth.

Decision a reader would question: the truth of pairs is a column `different` only. The column `same` that scoring writes
is the decision at the artifact's threshold, and a measure of it against itself would be perfect.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from analysis.evaluation.counts import verification_counts
from analysis.measures.ranking_accuracy import table_ranking_accuracy
from analysis.measures.roc import RocCurve
from analysis.measures.support import as_facts, support_of_share
from analysis.measures.verification import FALSE_ACCEPT_RATES, resolved_rates
from analysis.neighbours.batches import number_column
from artifact.arrays import Flags
from artifact.errors import DataError, UsageError
from artifact.kinds import KINDS, distance_name
from rows.pair_target import DIFFERENT
from rows.vectors.column import EMBEDDING, is_vectors
from rows.vectors.own.opening import columns_of
from rows.vectors.table import VectorTable

PAIR = distance_name(KINDS["siamese"].pairs[0])


def open_tuples(path: str | Path, *, columns_from: str | Path | None = None) -> VectorTable:
    """A table by the first of its columns `embedding_...`; arguments and errors are those of VectorTable.open."""
    found = [each.name for each in columns_of(Path(path)) if is_vectors(each.type) and each.name.startswith(EMBEDDING)]
    column = found[0] if found else None
    return VectorTable.open(path, column, columns_from=columns_from)


def evaluate_tuples(table: VectorTable) -> dict[str, Any]:
    """Ranking accuracy of triplets and quartets, verification of pairs.

    Returns:
        {"ranking_accuracy", "tuples", their interval: see analysis.measures.ranking_accuracy, None of pairs;
        "verification": {"AUC", "EER", "TAR@FAR=<far>" (None where the pairs cannot tell), "same_pairs",
         "different_pairs", "unlabelled_pairs" (left out)} of pairs, else None; "rests_on": {figure: {its counts,
         "is_enough", "text"}}, see analysis.measures.support; "num_rows", "lineage": facts of the artifact, or None}.

    Raises:
        UsageError: neither distance columns to be measured, nor labels.
        DataError: a distance that is missing or no number, a truth that is not 0 or 1, or the same in every row.
    """
    ranking = table_ranking_accuracy(table)
    verification = _verification(table)
    if ranking is None and verification is None:
        raise UsageError(
            "--label",
            expected="the column of classes, or a table of scored triplets, quartets or pairs "
            f"with a column {DIFFERENT!r}",
            got="neither",
            where=table.source,
        )
    counts = verification_counts(verification)
    if ranking is not None:
        counts["ranking_accuracy"] = support_of_share(ranking["ranking_accuracy"], ranking["tuples"], "tuples")
    return {
        **(ranking or {"ranking_accuracy": None, "tuples": 0}),
        "verification": verification,
        "rests_on": as_facts(counts),
        "num_rows": table.num_rows,
        "lineage": table.lineage.to_dict() if table.lineage else None,
    }


def _verification(table: VectorTable) -> dict[str, Any] | None:
    """Of pairs with both kinds among them; without intervals, for nobody knows which pairs share images."""
    if not {PAIR, DIFFERENT} <= set(table.columns):
        return None
    distances, known = number_column(table, PAIR).astype(np.float32), ~_is_unknown(table)
    if not known.any():
        return None
    truth = np.full(len(distances), np.nan)
    truth[known] = number_column(table, DIFFERENT, known)
    if not np.isin(truth[known], (0.0, 1.0)).all():
        raise DataError(f'column "{DIFFERENT}"', expected="0 or 1 in every row", got="others", where=table.source)
    same, different = np.sort(distances[truth == 0]), np.sort(distances[truth == 1])
    if not len(same) or not len(different):
        raise DataError(
            f'column "{DIFFERENT}"',
            expected="pairs of both sorts, 0 and 1, to tell them apart",
            got=f"{len(same)} same and {len(different)} different",
            where=table.source,
        )
    resolved = resolved_rates(FALSE_ACCEPT_RATES, len(different))
    rates = RocCurve(same, different).rates(resolved).tolist()
    names = ["AUC", "EER", *(f"TAR@FAR={far:g}" for far in resolved)]
    unknown = {f"TAR@FAR={far:g}": None for far in FALSE_ACCEPT_RATES}
    counts = {"same_pairs": len(same), "different_pairs": len(different), "unlabelled_pairs": int((~known).sum())}
    return unknown | dict(zip(names, rates, strict=True)) | counts


def _is_unknown(table: VectorTable) -> Flags:
    """bool [N]: the pairs of which nobody said whether they are different: null or NaN."""
    cells = table.column(DIFFERENT)
    return np.array(cells.is_null(nan_is_null=True).to_pylist(), bool)
