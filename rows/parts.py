"""Write a Parquet file whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.errors import OutputError


def write_part(path: str | Path, table: pa.Table) -> None:
    """Write `table` to `path` by way of a hidden file in the same folder, so a kill never leaves half a part.

    Raises:
        OutputError: the folder is missing, full or may not be written to.
    """
    from pyarrow import parquet

    path = Path(path)
    staged = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(staged, "wb") as file:
            # the statistics and dictionaries of a column of vectors cost time and never help
            vectors = {field.name for field in table.schema if pa.types.is_fixed_size_list(field.type)}
            plain = [name for name in table.schema.names if name not in vectors]
            options: dict[str, Any] = {"use_dictionary": plain, "write_statistics": plain, "compression": "zstd"}
            parquet.write_table(table, file, **options)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staged, path)
    except OSError as error:
        staged.unlink(missing_ok=True)
        raise OutputError(
            "part", expected="a folder that can be written to", got=str(error.strerror or error), where=path
        ) from None
