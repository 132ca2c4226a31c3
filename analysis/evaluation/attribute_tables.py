"""Evaluation of images and rows of attributes in one space: two tables of vectors that hold the attributes' columns.

Decisions a reader would question:
- What an attribute is follows from the values of both tables together, by the rules of training: the tables alone are
  measured, without the model. So a number has its tolerance from the images of the table.
- A row of attributes asks for what it has a value of among the attributes that are named. How it was scored with more
  of them is not looked at.
- Beyond so many distances (analysis/measures/attribute_retrieval.py) a uniform sample of the rows is ranked, and of as
  many images the triplets are counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.measures.attribute_retrieval import attribute_retrieval, queries_within
from analysis.measures.attribute_rows import AttributeRows, number_tolerances
from analysis.neighbours.batches import checked_matrix, require_columns
from artifact.arrays import Numbers
from artifact.attributes import CATEGORY, FLAG, NUMBER, Attribute, Attributes, as_category, as_number
from artifact.errors import DataError, UsageError
from artifact.listing import listed
from artifact.nearest import nearest
from artifact.yes_no import yes_or_no
from rows.vectors.lineage import distance_of_two
from rows.vectors.table import VectorTable


def evaluate_attributes(
    images: VectorTable,
    queries: VectorTable,
    names: Sequence[str],
    *,
    distance: str | None = None,
    bootstrap: int = 200,
    seed: int = 0,
) -> dict[str, Any]:
    """Retrieval of images by rows of attributes, by how many attributes are asked for, and triplets of both.

    Args:
        images: vectors of images, with a column of each attribute.
        queries: vectors of rows of attributes, with the same columns.
        names: of the attributes.
        distance: for vectors without lineage.
        bootstrap: resamples of the combinations of attributes for the intervals; 0 for none.
        seed: of samples and of the bootstrap.

    Returns:
        What analysis.measures.attribute_retrieval gives, and {"attributes": [{"name", "type"}], "num_rows" (of the
        images), "num_queries" (rows of attributes), "num_distinct" of them, "queries_from": "all", or of how many a
        sample; "bootstrap", "seed", "distance", "lineage": facts of the artifact of the images, or None}.

    Raises:
        UsageError: no names or one twice, no distance known.
        SpaceError: two spaces.
        DataError: a column that is missing or constant, of values that are no attribute's; no row that asks.
    """
    distance = distance_of_two(images.lineage, queries.lineage, distance, names=(images.source, queries.source))
    if not names or len(set(names)) != len(names):
        raise UsageError("attributes", expected="names of columns, each once", got=", ".join(names) or "none")
    for table in (images, queries):
        _require_columns(table, names)
    columns = {name: [table.column(name).to_pylist() for table in (images, queries)] for name in names}
    where = f"{images.source} and {queries.source}"
    attributes = Attributes.fit({name: first + second for name, (first, second) in columns.items()}, names, where=where)
    image_values, asked = (
        attribute_values(attributes, {name: each[side] for name, each in columns.items()}) for side in (0, 1)
    )
    asks = np.flatnonzero(~np.isnan(asked).all(axis=1))
    if not len(asks):
        raise DataError("rows of attributes", expected=f"a value of {listed(names)}", got="none", where=queries.source)
    rows = AttributeRows(vectors=checked_matrix(queries)[asks], values=asked[asks])
    distinct = rows.distinct()
    sample = queries_within(len(distinct), images.num_rows)
    found = attribute_retrieval(
        distinct,
        checked_matrix(images),
        image_values,
        distance=distance,
        tolerances=number_tolerances(image_values, [each.type == NUMBER for each in attributes.attributes]),
        max_queries=sample,
        bootstrap=bootstrap,
        seed=seed,
    )
    return found | {
        "attributes": [{"name": each.name, "type": each.type} for each in attributes.attributes],
        "num_rows": images.num_rows,
        "num_queries": queries.num_rows,
        "num_distinct": len(distinct),
        "queries_from": "all" if sample is None else f"a uniform sample (seed {seed}) of {len(distinct)}",
        "bootstrap": bootstrap,
        "seed": seed,
        "distance": distance,
        "lineage": images.lineage.to_dict() if images.lineage else None,
    }


def attribute_values(attributes: Attributes, columns: dict[str, list[Any]]) -> Numbers:
    """What columns say, float64 [N, attributes], as analysis.measures.attribute_rows wants it.

    Args:
        columns: {name: N values}, each a value of its attribute or missing.
    """
    found = []
    for attribute in attributes.attributes:
        numbers = {text: float(at) for at, text in enumerate(attribute.categories)}
        found.append([_value(attribute, cell, numbers) for cell in columns[attribute.name]])
    return np.array(found, np.float64).T


def _value(attribute: Attribute, cell: Any, numbers: dict[str, float]) -> float:
    if attribute.says_nothing(cell):
        return np.nan
    if attribute.type == CATEGORY:
        return numbers[as_category(cell)]
    value = yes_or_no(cell) if attribute.type == FLAG else as_number(cell)
    assert value is not None  # the type was found out of these values
    return float(value)


def _require_columns(table: VectorTable, names: Sequence[str]) -> None:
    """Raise DataError for a name that no column has, with the nearest, or that is of vectors."""
    there = [field.name for field in table.fields_beside]
    for name in names:
        if name not in there and (near := nearest(name, there)) is not None:
            got = f'no such column, the nearest is "{near}"'
            raise DataError(f'column "{name}"', expected=f"one of {listed(there)}", got=got, where=table.source)
    require_columns(table, names)
