"""The options of `score` that choose where the parts are made: in this process, or on a Ray cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artifact.errors import UsageError

if TYPE_CHECKING:
    from serving.jobs.scoring import PartMaker

ENGINES = ("local", "ray")

EngineName = Annotated[str, typer.Option("--engine", help="local, or ray: on the nodes of a cluster.")]
Address = Annotated[
    str | None,
    typer.Option("--address", help="Ray cluster. [default: RAY_ADDRESS, else this machine]", metavar="HOST:PORT"),
]
Actors = Annotated[int | None, typer.Option("--actors", min=1, help="Sessions on the cluster. [default: what fits]")]
ActorCpus = Annotated[int | None, typer.Option("--actor-cpus", min=1, help="CPUs of each. [default: so that few idle]")]


def open_engine(
    name: str,
    *,
    model: str,
    repository: Path | None,
    device: str,
    batch_size: int | None,
    max_megapixels: float,
    max_image_mb: float,
    read_timeout_s: float,
    address: str | None,
    actors: int | None,
    actor_cpus: int | None,
) -> PartMaker | None:
    """What `score_table` takes as its engine; raises LookalikeError where Ray is asked for and not installed."""
    if name not in ENGINES:
        raise UsageError(f"--engine {name!r}", expected=f"one of {', '.join(ENGINES)}")
    if name == "local":
        given = {"--address": address, "--actors": actors, "--actor-cpus": actor_cpus}
        for option, value in given.items():
            if value is not None:
                raise UsageError(option, expected="--engine ray with it", got="--engine local")
        return None
    if repository is None:
        raise UsageError("--engine ray", expected="--repository DIR that every node can read", got="--url")
    from serving.on_ray.cluster import import_ray
    from serving.on_ray.resources import RayOptions
    from serving.on_ray.scoring import RayEngine

    import_ray()
    options = RayOptions(address=address, actors=actors, actor_cpus=actor_cpus)
    return RayEngine(
        model=model,
        repository=repository,
        batch_size=batch_size,
        max_megapixels=max_megapixels,
        max_image_mb=max_image_mb,
        device=device,
        read_timeout_s=read_timeout_s,
        options=options,
    )
