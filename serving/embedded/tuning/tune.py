"""The tuning of a published model: what runs it fastest on this machine, measured and written into its config."""

from __future__ import annotations

import datetime
from pathlib import Path

from artifact.images.cores import available_cores
from artifact.repository.changes import changing
from artifact.repository.reading import open_repository
from artifact.repository.tuning import Tuning, set_tuning
from serving.embedded.models.instances import Instances
from serving.embedded.models.records import machine
from serving.embedded.tuning.measuring import DEFAULT_SECONDS, Layout, choose, layouts, measure
from serving.embedded.tuning.running import Runner, tuning_of


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
    facts = {
        "machine": machine(device, cores),
        "time": started.isoformat(timespec="seconds"),
        "version": version,
        "digest": manifest.digest,
    }
    tuning = tuning_of(choose(measured), measured, device, facts)
    with changing(repository) as change:
        model = open_repository(repository).model(name)  # as it is now: others may have published meanwhile
        set_tuning(model.config, tuning)
        change.configure(name, model.config)
        change.commit()
    return tuning
