"""Processes that train together, started as torchrun starts them."""

from __future__ import annotations

import os
import socket
import subprocess


def run_ranks(command: list[str], *, size: int = 2, timeout_s: float = 120) -> list[subprocess.CompletedProcess[str]]:
    """Start `size` processes of one command as torchrun would, on a free port of this machine; wait for all."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    group = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            command,
            env=os.environ | group | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for rank in range(size)
    ]
    done = []
    try:
        for process in processes:
            out, err = process.communicate(timeout=timeout_s)
            done.append(subprocess.CompletedProcess(command, process.returncode, out, err))
    finally:
        for process in processes:  # where one failed, the others may wait for it
            process.kill()
    return done
