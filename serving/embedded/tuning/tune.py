"""The tuning of a published model: what runs it fastest on this machine, measured and written into its config."""

from __future__ import annotations

import datetime
from dataclasses import asdict
from pathlib import Path

from artifact.images.cores import available_cores
from artifact.repository.changes import changing
from artifact.repository.reading import open_repository
from artifact.repository.tuning import Tuning, set_tuning
from serving.embedded.models.instances import Instances
from serving.embedded.tuning.measuring import DEFAULT_SECONDS, Layout, choose, is_noisy, layouts, measure
from serving.embedded.tuning.running import Runner, machine


def tune(
    repository: Path, name: str, *, version: int | None = None, device: str = "cpu", seconds: float = DEFAULT_SECONDS
) -> Tuning:
    """Measure a published model on this machine and write what is fastest into its config.

    The artifact is not touched; later versions and rollbacks keep the settings. A running server follows when it is
    told to load the model again.

    Args:
        version: default the one served.
        seconds: for the measurement.

    Returns:
        What was written; its record says what was measured.

    Raises:
        ModelNotFoundError, RepositoryError: no such model or version, or a repository that cannot be written.
        ArtifactError, UsageError: the artifact cannot be run, or not on this device.
    """
    model = open_repository(repository).model(name)
    version = model.newest_served() if version is None else version
    manifest = model.manifest(version)
    cores = available_cores()
    arrangements = layouts(cores, weights_bytes=manifest.content.size) if device == "cpu" else [Layout(1, cores)]
    sessions = {
        one: Instances(model.artifact(version), count=one.instances, threads=one.threads, device=device)
        for one in arrangements
    }
    started = datetime.datetime.now(datetime.UTC)
    measured = measure(arrangements, Runner(sessions, manifest), seconds=seconds)
    chosen = choose(measured)
    tuning = Tuning(
        device=device,
        instances=chosen.instances,
        threads=chosen.threads if device == "cpu" else 0,
        preferred_rows=chosen.batch_size,
        record={
            "measured": [
                asdict(cell) | {"rows_per_s": round(cell.rows_per_s, 1), "spread": round(cell.spread, 2)}
                for cell in measured
            ],
            "noisy": is_noisy(measured),
            "machine": machine(device, cores),
            "time": started.isoformat(timespec="seconds"),
            "version": version,
            "digest": manifest.digest,
        },
    )
    with changing(repository) as change:
        model = open_repository(repository).model(name)  # as it is now: others may have published meanwhile
        set_tuning(model.config, tuning)
        change.configure(name, model.config)
        change.commit()
    return tuning
