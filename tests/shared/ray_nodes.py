"""A Ray cluster of several nodes on this machine, for tests: real processes, which can be killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

QUICK = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
"""A dead node is noticed in two seconds, not in twenty."""
STORE_BYTES = 80_000_000


class Nodes:
    """A head with 1 CPU; more nodes are added and killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        head = {"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head | {"_system_config": QUICK})

    @property
    def address(self) -> str:
        """HOST:PORT."""
        address: str = self._cluster.address
        return address

    @contextmanager
    def another(self, num_cpus: int = 1) -> Iterator[Any]:
        """One more node, for a while."""
        node = self._cluster.add_node(num_cpus=num_cpus, object_store_memory=STORE_BYTES)
        try:
            yield node
        finally:
            if node in self._cluster.worker_nodes:
                self._cluster.remove_node(node)

    def kill(self, node: Any) -> None:
        """End all processes of the node at once."""
        self._cluster.remove_node(node, allow_graceful=False)

    def shutdown(self) -> None:
        """End the cluster."""
        self._cluster.shutdown()
