"""The faiss library, imported where it is used, with no more threads than this process may have.

It runs on OpenMP, whose threads a fork does not copy: a search in a forked process would wait for them for ever. So
there it runs on the one thread that there is; a thread that is started in the child has as many as ever.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from artifact.images.cores import granted_threads


def load_faiss() -> Any:
    """The module faiss."""
    faiss = _library()
    threads = faiss.omp_get_max_threads()
    granted = granted_threads(threads)
    if granted < threads:
        faiss.omp_set_num_threads(granted)  # of this thread alone: that is how OpenMP counts
    return faiss


@cache
def _library() -> Any:
    import faiss  # 0.1 s, and not every command needs it

    os.register_at_fork(after_in_child=lambda: faiss.omp_set_num_threads(1))
    return faiss
