"""An index in forked processes: OpenMP's threads are not there, and the answers are the same."""

from __future__ import annotations

from tests.shared.forked_children import run_forking

_PROGRAM = """
os.environ["OMP_NUM_THREADS"] = "2"
import threading
import numpy as np
from analysis.clusters.kmeans import assign
from analysis.neighbours.nearest import nearest
vectors = np.random.default_rng(0).normal(size=(20_000, 32)).astype(np.float32)
def search():
    rows = nearest(vectors, vectors[:300], 3, distance="euclidean")[1]
    return rows.tolist(), assign(vectors, vectors[:50])[1].tolist()
def in_a_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(search()))
    thread.start()
    thread.join()
    return found[0]
expected = search()
handles = [child(search), child(in_a_thread), child(search, "at once")]
found = [result(handle) for handle in handles]
found.append(search())
print(json.dumps([one if isinstance(one, str) else list(one) == list(expected) for one in found]))
"""


def test_search_in_forked_processes() -> None:
    """After a search with several threads: in children, in a thread of one, and in the parent again."""
    assert run_forking(_PROGRAM) == [True, True, True, True]
