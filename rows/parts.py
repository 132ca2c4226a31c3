"""Write a Parquet file whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.atomic import staged_file


def write_part(path: str | Path, table: pa.Table) -> None:
    """Write `table` to `path` by way of a hidden file in the same folder, so a kill never leaves half a part.

    Raises:
        OutputError: no plain file, or the folder is full or may not be written to.
    """
    from pyarrow import parquet

    # the statistics and dictionaries of a column of vectors cost time and never help
    plain = [field.name for field in table.schema if not pa.types.is_fixed_size_list(field.type)]
    options: dict[str, Any] = {"use_dictionary": plain, "write_statistics": plain, "compression": "zstd"}
    with staged_file(Path(path)) as staged, staged.open("wb") as file:
        parquet.write_table(table, file, **options)
