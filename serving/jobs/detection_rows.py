"""Rows of detections in the table that a job writes: one for each object of an image, none where nothing was found.

`id` is the image's own and the object's number, `image` the image's id, `box` its corners in shares of the picture; so
the table is one of regions, as COCO and YOLO files give them (rows/formats), with `score` besides.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from artifact.arrays import AnyArray
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT
from artifact.model.manifest import Manifest
from rows.box_columns import BOX, BOX_TYPE, OBJECT_ID
from rows.vectors.lineage import Lineage
from rows.vectors.schema import vector_array, vector_schema
from serving.client.detections import SCORE


def detection_schema(copied: pa.Schema, manifest: Manifest, lineage: Lineage) -> pa.Schema:
    """Schema of every part; raises DataError where a copied column has a taken name."""
    fields = [pa.field("id", pa.string()), *(field for field in copied if field.name != "id")]
    scalars: dict[str, pa.DataType] = {
        BRANCH_INPUT: pa.string(),
        OBJECT_ID: pa.int64(),
        SCORE: pa.float32(),
        BOX: BOX_TYPE,
    }
    dims = {BRANCH_OUTPUT: manifest.embedding_dim}
    return vector_schema(pa.schema(fields), dims, scalars=scalars, lineage=lineage)


def detection_rows(copied: pa.Table, columns: dict[str, AnyArray]) -> dict[str, Any]:
    """{column: its values} of rows of detections.

    Args:
        copied: what goes with each row, `id` of its image among it.
        columns: as serving.client.detections.detection_columns gives them.
    """
    images = copied["id"].cast(pa.string()).combine_chunks()
    numbers = pa.array(columns[OBJECT_ID])
    corners = pa.array(columns[BOX].astype(np.float64).reshape(-1))
    return dict(zip(copied.column_names, copied.columns, strict=True)) | {
        "id": pa.array(
            [f"{image}#{number}" for image, number in zip(images.to_pylist(), numbers.to_pylist(), strict=True)]
        ),
        BRANCH_INPUT: images,
        OBJECT_ID: numbers,
        SCORE: pa.array(columns[SCORE]),
        BOX: pa.FixedSizeListArray.from_arrays(corners, 4),
        BRANCH_OUTPUT: vector_array(columns[BRANCH_OUTPUT]),
    }
