"""Checks before a job goes to a Ray cluster: room for its actors, the address, the package."""

from __future__ import annotations

import socket
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from artifact.errors import LookalikeError, UnavailableError, UsageError
from serving.on_ray.cluster import ray_cluster, require_cluster
from serving.on_ray.resources import NodeRoom, plan_actors, without

pytest.importorskip("ray", reason="the extra lookalike[ray] is not installed")


def nodes(*sizes: float, gpus: float = 0) -> list[NodeRoom]:
    return [NodeRoom(f"n{number}", cpus, gpus) for number, cpus in enumerate(sizes)]


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([1, 1], (2, 1)),
        ([16, 16], (2, 16)),
        ([64, 64, 1], (2, 64)),  # a core left idle is less than another session's weights
        ([4, 6], (3, 3)),
        ([0, 8], (1, 8)),  # a head that takes no work
        ([0.5, 3.5], (1, 3)),
    ],
)
def test_actors_are_as_wide_as_the_nodes_allow(sizes: Sequence[float], expected: tuple[int, int]) -> None:
    """Few sessions, and no more than a tenth of the cores idle."""
    plan = plan_actors(nodes(*sizes))
    assert (plan.actors, plan.cpus) == expected
    assert plan.room(nodes(*sizes)) == plan.actors


def test_what_is_asked_for_is_kept() -> None:
    """The number of actors, their CPUs, or both; no more actors than there is work."""
    assert plan_actors(nodes(8, 8), actors=4).cpus == 4
    assert plan_actors(nodes(8, 8), actors=3).cpus == 4  # of 5, a node has room for one
    assert plan_actors(nodes(8, 8), actor_cpus=3).actors == 4
    assert plan_actors(nodes(8, 8), actors=2, actor_cpus=1).cpus == 1
    assert plan_actors(nodes(8, 8), actor_cpus=1, most=5).actors == 5


def test_an_actor_of_a_gpu_takes_one() -> None:
    """As many actors as GPUs, and the CPUs shared between them."""
    plan = plan_actors(nodes(16, 16, gpus=4), gpus=1)
    assert (plan.actors, plan.cpus, plan.gpus) == (8, 4, 1)
    with pytest.raises(UnavailableError) as error:
        plan_actors(nodes(16), gpus=1)
    assert str(error.value) == (
        "Ray cluster is too small: expected room for 1 actor of 1 CPU and 1 GPU, got room for 0 (n0 16 CPU 0 GPU); "
        "add nodes, or use fewer --actor-cpus"
    )


def test_too_much_asked_for_says_what_would_fit() -> None:
    """Expected, got, and how to mend it."""
    with pytest.raises(UnavailableError) as error:
        plan_actors(nodes(4, 3), actors=4, actor_cpus=2)
    assert str(error.value) == (
        "Ray cluster is too small: expected room for 4 actors of 2 CPU, got room for 3 (n0 4 CPU, n1 3 CPU); "
        "use --actors 3 or fewer"
    )
    with pytest.raises(UnavailableError, match=r"got room for 0 \(no nodes\)"):
        plan_actors([])
    with pytest.raises(UsageError, match="actors: expected at least 1, got 0"):
        plan_actors(nodes(4), actors=0)


def test_cpus_left_to_others_are_no_less_than_none() -> None:
    """Of the widest node, in the words for a cluster that is busy as well."""
    assert [node.cpus for node in without(1, nodes(3, 8, 2))] == [2, 3, 7]
    with pytest.raises(UnavailableError, match=r"got room for 0 \(n1 0 CPU, n0 0 CPU\); add nodes"):
        plan_actors(without(1, nodes(0.5, 0)))
    assert without(1, []) == []


@pytest.mark.parametrize("address", ["head", "ray://head:10001", "head:port", ":6379", "head:0", "auto"])
def test_an_address_of_another_form_is_refused(address: str) -> None:
    """Before anything is tried."""
    with pytest.raises(UsageError, match=r"^Ray address: expected HOST:PORT or local, got"):
        require_cluster(address)


def test_where_no_cluster_answers_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody there, somebody silent, and another gRPC server; Ray would try for five minutes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr("serving.on_ray.cluster.CONNECT_TIMEOUT_S", 0.3)
        with pytest.raises(UnavailableError, match=r"^no Ray cluster: got no answer within 0.3 s"):
            require_cluster(f"127.0.0.1:{listener.getsockname()[1]}")
        port = listener.getsockname()[1]
    monkeypatch.setattr("serving.on_ray.cluster.CONNECT_TIMEOUT_S", 10.0)
    with pytest.raises(UnavailableError, match=r"^no Ray cluster: got Connection refused"):
        require_cluster(f"127.0.0.1:{port}")
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with pytest.raises(UnavailableError, match=r"^no Ray cluster: got another gRPC server"):
            require_cluster(f"127.0.0.1:{port}")
    finally:
        server.stop(None).wait()


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line, and no traceback."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(LookalikeError) as error, ray_cluster():
        pass
    assert str(error.value) == "the package 'ray' is not installed; `pip install 'lookalike[ray]'` brings it"
