"""The engine of score_table on a Ray cluster: the nodes score parts of the table, this process writes them.

The unit of work is a part, which any actor can make at any time to the same bytes. So Ray Data gets the numbers of the
parts that are missing and gives back the parts in any order; a part that was lost with its node is made again, and none
is doubled. Nothing but this process writes to the output: the nodes need to read the table, the images and the
repository, and the folder is that of a job at home, which either can go on with.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from artifact.events import Report
from rows.tables import ImageTable
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from serving.jobs.folder import JobFolder
from serving.jobs.progress import JobProgress
from serving.on_ray.actors import scored_parts
from serving.on_ray.cluster import ray_cluster
from serving.on_ray.parts import PartJob, first_readable, require_shareable
from serving.on_ray.resources import RayOptions, find_room

_ROWS_TO_COUNT = 8192


@dataclass(frozen=True, kw_only=True)
class RayEngine:
    """Makes the missing parts of a job on a cluster: `score_table(..., engine=RayEngine(...))`.

    Attributes:
        model, repository, batch_size, max_megapixels, max_image_mb, device, read_timeout_s: the actors' Scorer; every
            node must see the repository at the same path. For `cuda` each actor takes a GPU. Its version and its dims
            are those of the job's own scorer.
        options: which cluster, and how much of it.
    """

    model: str
    repository: str | Path
    batch_size: int | None = None
    max_megapixels: float = ScorerOptions.max_megapixels
    max_image_mb: float = ScorerOptions.max_image_mb
    device: str = "cpu"
    read_timeout_s: float = ScorerOptions.read_timeout_s
    options: RayOptions = field(default_factory=RayOptions)

    def __call__(
        self, table: ImageTable, scorer: Scorer, folder: JobFolder, schema: pa.Schema, report: Report | None
    ) -> tuple[int, int]:
        """Write the parts that are missing; gives the number of images run, and of rows of the table.

        `report` is called after each part.

        Raises:
            UsageError: the table is none that other machines can read.
            UnavailableError: no such cluster, or it has no room; see ray_cluster and find_room.
            RepositoryError, DataError: a node, and which one, does not see the repository, the table or the images.
            ServerError: actors died again and again.
        """
        require_shareable(table)
        rows_per_part, shard = folder.identity.rows_per_part, folder.identity.shard
        table_rows = table.num_rows
        if table_rows is None:
            table_rows = sum(len(batch) for batch in table.batches(_ROWS_TO_COUNT))
        missing, num_images = folder.missing(table_rows), 0
        if not missing:
            return 0, table_rows
        options: dict[str, Any] = {
            "repository": os.path.abspath(self.repository),
            "version": scorer.version,
            "dims": scorer.lineage.dims,
            "batch_size": self.batch_size,
            "max_megapixels": self.max_megapixels,
            "max_image_mb": self.max_image_mb,
            "device": self.device,
            "read_timeout_s": self.read_timeout_s,
        }
        job = PartJob(
            table=table,
            table_rows=table_rows,
            rows_per_part=rows_per_part,
            schema=schema,
            model=self.model,
            options=options,
            digest=scorer.digest,
            folder=os.getcwd(),
            thumbnails_px=folder.identity.thumbnails_px,
            probe=first_readable(table, ScorerOptions(**options).limits.max_bytes, timeout_s=self.read_timeout_s),
        )
        num_rows = shard.num_rows(table_rows, rows_per_part)
        progress = JobProgress(
            scorer, num_rows=num_rows, done=folder.num_rows, num_errors=folder.num_errors, report=report
        )
        with ray_cluster(self.options.address) as ray:
            plan = find_room(ray, self.options, gpus=1 if self.device == "cuda" else 0, most=len(missing))
            with closing(scored_parts(ray, job, plan, missing, wait_s=self.options.wait_s)) as parts:
                for part in parts:
                    folder.add_part(part)
                    num_images += part.num_images
                    progress.add(part)
        return num_images, table_rows
