"""The room of a Ray cluster for the actors of a job, and the plan of how many it gets.

Ray queues what does not fit, without a word and for ever. So the room is counted, node by node, before any work.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from artifact.errors import UnavailableError, UsageError

DEFAULT_WAIT_S = 60.0
_MOST_IDLE = 0.1
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, kw_only=True)
class RayOptions:
    """The options of using a cluster.

    Attributes:
        address: see ray_cluster.
        actors, actor_cpus: see plan_actors; an actor has a thread for each of its CPUs.
        wait_s: for others to make room, and for nodes to come back where too many died, in seconds.
    """

    address: str | None = None
    actors: int | None = None
    actor_cpus: int | None = None
    wait_s: float = DEFAULT_WAIT_S


@dataclass(frozen=True)
class NodeRoom:
    """CPUs and GPUs of a node, all of them or the free ones."""

    name: str
    cpus: float
    gpus: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ActorPlan:
    """A job's share of a cluster: its actors and the room of each.

    Attributes:
        actors: how many, each with one session of the network.
        cpus: of each, which are its threads.
        gpus: of each.
    """

    actors: int
    cpus: int
    gpus: int = 0

    def room(self, nodes: Sequence[NodeRoom]) -> int:
        """How many such actors the nodes have room for; an actor lives on one node."""
        return sum(_per_node(node, self.cpus, self.gpus) for node in nodes)

    @property
    def size(self) -> str:
        """One actor, in words."""
        return f"{self.cpus} CPU" + (f" and {self.gpus} GPU" if self.gpus else "")


def plan_actors(
    nodes: Sequence[NodeRoom],
    *,
    actors: int | None = None,
    actor_cpus: int | None = None,
    gpus: int = 0,
    most: int | None = None,
) -> ActorPlan:
    """The plan for these nodes.

    Args:
        actors: how many are asked for; None for as many as there is room for.
        actor_cpus: CPUs of each. None for the most with which so many actors fit; without `actors`, for the most that
            leave no GPU idle or, on CPUs alone, no more than a tenth of them: a session holds the weights once,
            whatever its threads.
        gpus: of each actor.
        most: no more actors than this, which is all the work there is; those asked for must fit nevertheless.

    Raises:
        UsageError: actors or actor_cpus below 1.
        UnavailableError: the nodes are too small, whoever uses them.
    """
    for name, value in {"actors": actors, "actor_cpus": actor_cpus}.items():
        if value is not None and value < 1:
            raise UsageError(name, expected="at least 1", got=str(value))
    widest = max((int(node.cpus) for node in nodes), default=0)
    tried = [actor_cpus] if actor_cpus else list(range(widest, 0, -1)) or [1]
    plans = [ActorPlan(actors=actors or 1, cpus=cpus, gpus=gpus) for cpus in tried]
    rooms = [plan.room(nodes) for plan in plans]
    if actors is None:
        most_room = max(rooms)
        usable = max(plan.cpus * room for plan, room in zip(plans, rooms, strict=True))
        fitting = [
            replace(plan, actors=room)
            for plan, room in zip(plans, rooms, strict=True)
            if room and (room == most_room if gpus else plan.cpus * room >= (1 - _MOST_IDLE) * usable)
        ]
    else:
        fitting = [plan for plan, room in zip(plans, rooms, strict=True) if room >= actors]
    if not fitting:
        raise _too_small("Ray cluster is too small", plans[-1], nodes, rooms[-1])
    plan = fitting[0]
    return plan if most is None else replace(plan, actors=min(plan.actors, most))


def find_room(ray: Any, options: RayOptions, *, gpus: int = 0, most: int | None = None, spare: int = 0) -> ActorPlan:
    """The plan for a cluster, once there is room for it; see plan_actors.

    Args:
        spare: CPUs of some node that are left to others.

    Raises:
        UnavailableError: the cluster is too small, or so busy that there is still no room after `options.wait_s`.
    """
    wanted: dict[str, Any] = {"actor_cpus": options.actor_cpus, "gpus": gpus, "most": most}
    plan = plan_actors(without(spare, all_nodes(ray)), actors=options.actors, **wanted)
    least = ActorPlan(actors=1, cpus=options.actor_cpus or 1, gpus=gpus) if options.actors is None else plan
    end = time.monotonic() + options.wait_s
    while least.room(free := without(spare, free_nodes(ray))) < least.actors:
        if time.monotonic() >= end:
            what = f"Ray cluster is busy, still after {options.wait_s:g} s"
            raise _too_small(what, least, free, least.room(free))
        time.sleep(min(_LOOK_EVERY_S, options.wait_s))
    return plan if options.actors is not None else plan_actors(free, **wanted)


def all_nodes(ray: Any) -> list[NodeRoom]:
    """The living nodes with all that they have."""
    return [
        NodeRoom(node["NodeManagerHostname"], node["Resources"].get("CPU", 0), node["Resources"].get("GPU", 0))
        for node in ray.nodes()
        if node["Alive"]
    ]


def free_nodes(ray: Any) -> list[NodeRoom]:
    """The living nodes with what nobody uses."""
    from ray._private.state import available_resources_per_node  # `ray.available_resources` adds the nodes up

    names = {node["NodeID"]: node["NodeManagerHostname"] for node in ray.nodes() if node["Alive"]}
    rooms: dict[str, dict[str, float]] = available_resources_per_node()  # type: ignore[no-untyped-call]
    return [
        NodeRoom(names[node], room.get("CPU", 0), room.get("GPU", 0)) for node, room in rooms.items() if node in names
    ]


def num_started(ray: Any, class_name: str) -> int:
    """How many actors of this process, of classes that have this in their names, have a process of their own.

    One whose class is still loading a model is among them; one that waits for room is not.
    """
    from ray._private.state import actors  # the public list of actors needs a dashboard

    job = ray.JobID.from_hex(ray.get_runtime_context().get_job_id())
    found: dict[str, dict[str, Any]] = actors(job_id=job)
    return sum(
        class_name in actor["ActorClassName"] and actor["State"] != "DEAD" and actor["Address"]["Port"] != 0
        for actor in found.values()
    )


def without(spare: int, nodes: list[NodeRoom]) -> list[NodeRoom]:
    """The nodes with so many CPUs less in the widest of them."""
    rising = sorted(nodes, key=lambda node: node.cpus)
    return rising[:-1] + [replace(node, cpus=max(0, node.cpus - spare)) for node in rising[-1:]]


def _per_node(node: NodeRoom, cpus: int, gpus: int) -> int:
    room = int(node.cpus // cpus)
    return min(room, int(node.gpus // gpus)) if gpus else room


def _too_small(what: str, plan: ActorPlan, nodes: Sequence[NodeRoom], room: int) -> UnavailableError:
    shown = [f"{node.name} {node.cpus:g} CPU" + (f" {node.gpus:g} GPU" if plan.gpus else "") for node in nodes[:8]]
    shown += ["..."] if len(nodes) > 8 else []
    fewer = f"use --actors {room}" + (" or fewer" if room > 1 else "")
    return UnavailableError(
        what,
        expected=f"room for {plan.actors} actor{'s' if plan.actors > 1 else ''} of {plan.size}",
        got=f"room for {room} ({', '.join(shown) or 'no nodes'})",
        mend=fewer if room else "add nodes, or use fewer --actor-cpus",
    )
