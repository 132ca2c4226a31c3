"""Scorers in forked processes: the child makes what has threads anew, the parent's goes on, and nothing ever hangs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.shared.forked_children import run_forking
from tests.shared.scored_images import expected_vectors, publish_models
from tests.shared.serving_urls import ServerProcess

MODELS = ["triplet_branch", "triplet_full"]
NUM_IMAGES = 41

_SCORER = """
import asyncio, multiprocessing, threading
from pathlib import Path
import numpy as np
from lookalike import AsyncScorer, Scorer
place = {sys.argv[1]: sys.argv[2]}
images = sorted(Path(sys.argv[3]).iterdir())
def embed(scorer):
    return scorer.embed(images).tolist()
"""


@pytest.fixture(scope="module", params=["repository", "url"])
def place(request: pytest.FixtureRequest, repository: Path) -> Iterator[tuple[str, object]]:
    """The option of a Scorer, and its value: here, and a server in a process of its own."""
    if request.param == "repository":
        yield "repository", repository
        return
    with ServerProcess(repository) as server:
        yield "url", server.url


def require_all(found: Any, images: list[Path], count: int) -> None:
    """Each of `count` is the vectors of the images."""
    assert len(found) == count
    for one in found:
        assert not isinstance(one, str), one
        np.testing.assert_allclose(one, expected_vectors(images), atol=1e-4)


def test_scorer_embeds_in_children_and_in_the_parent(place: tuple[str, object], images: list[Path]) -> None:
    """Before the fork, in several children at once however they end, in a grandchild, and in the parent afterwards."""
    program = """
scorer = Scorer("triplet_branch", **place)
found = [embed(scorer)]
handles = [child(lambda: embed(scorer), ends) for ends in ("normally", "at once") * 2]
found += [result(handle) for handle in handles]
found.append(embed(scorer))
def closes():
    vectors = embed(scorer)
    scorer.close()
    return vectors
found.append(result(child(closes)))
def forks_again():
    embed(scorer)
    return result(child(lambda: embed(scorer)))
found.append(result(child(forks_again)))
found.append(embed(scorer))
scorer.close()
print(json.dumps(found))
"""
    require_all(run_forking(_SCORER + program, *place, images[0].parent), images, 9)


@pytest.mark.slow
def test_scorer_is_forked_while_other_threads_embed(place: tuple[str, object], images: list[Path]) -> None:
    """Every lock may be held at the fork, and calls may be under way; threads of a child share one renewed scorer."""
    program = """
scorer = Scorer("triplet_branch", **place)
stop = threading.Event()
def keep_embedding():
    while not stop.is_set():
        embed(scorer)
busy = [threading.Thread(target=keep_embedding) for _ in range(3)]
for thread in busy:
    thread.start()
def in_threads():
    found = []
    threads = [threading.Thread(target=lambda: found.append(embed(scorer))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found
found = []
for _ in range(3):
    handles = [child(in_threads) for _ in range(2)]
    for handle in handles:
        got = result(handle)
        found += got if isinstance(got, list) else [got] * 3
stop.set()
for thread in busy:
    thread.join()
found.append(embed(scorer))
print(json.dumps(found))
"""
    require_all(run_forking(_SCORER + program, *place, images[0].parent), images, 19)


def test_nothing_is_imported_late_where_a_fork_does_not_wait(place: tuple[str, object], images: list[Path]) -> None:
    """A module that a thread is importing at a fork stays locked in the child: so no call may import on its way, other
    than within what a fork waits for. Rows that are bad included."""
    program = """
from serving import forks
late = []
class Noting:
    def find_spec(self, name, path=None, target=None):
        if not getattr(forks._FORKS._own, "depth", 0):
            late.append(name)
sys.meta_path.insert(0, Noting())
scorers = {model: Scorer(model, **place) for model in sys.argv[4].split(",")}
is_noting = bool(late)  # what a Scorer needs is imported while it is made
late.clear()
for model, scorer in scorers.items():
    embed(scorer)
    list(scorer.embed_iter([images[0], "no_such.png"], bad="yield"))
    if model.endswith("full"):
        list(scorer.stream([{name: images for name in scorer.manifest.image_inputs}]))
found = list(late)
async def asynchronous():
    async with AsyncScorer("triplet_branch", **place) as scorer:
        late.clear()
        await scorer.embed(images)
asyncio.run(asynchronous())
print(json.dumps([is_noting, found + late]))
"""
    assert run_forking(_SCORER + program, *place, images[0].parent, ",".join(MODELS)) == [True, []]


def test_scorer_that_was_never_used_embeds_in_pools(place: tuple[str, object], images: list[Path]) -> None:
    """multiprocessing's Pool by fork, the first use in the children; then the parent's first use."""
    program = """
scorer = Scorer("triplet_branch", **place)
def task(number):
    return embed(scorer)
with multiprocessing.get_context("fork").Pool(2) as pool:
    found = pool.map(task, range(4), 1)
found.append(embed(scorer))
print(json.dumps(found))
"""
    require_all(run_forking(_SCORER + program, *place, images[0].parent), images, 5)


def test_async_scorer_embeds_in_children(place: tuple[str, object], images: list[Path]) -> None:
    """Entered and used before the fork; in the child its own loop awaits many calls, and may leave."""
    program = """
scorer = AsyncScorer("triplet_branch", **place)
async def enter():
    await scorer.__aenter__()
    return (await scorer.embed(images)).tolist()
async def many():
    found = await asyncio.gather(*(scorer.embed(images) for _ in range(20)))
    return [vectors.tolist() for vectors in found]
async def leave():
    found = (await scorer.embed(images)).tolist()
    await scorer.close()
    return found
found = [asyncio.run(enter())]
got = result(child(lambda: asyncio.run(many())))
found += got if isinstance(got, list) else [got]
found.append(result(child(lambda: asyncio.run(leave()))))
found.append(asyncio.run(leave()))
print(json.dumps(found))
"""
    require_all(run_forking(_SCORER + program, *place, images[0].parent), images, 23)


def test_begun_iterators_are_refused_in_children(repository: Path, images: list[Path]) -> None:
    """What runs in the parent's threads is asked for in a child in vain: one line, and the parent's goes on."""
    program = """
scorer = Scorer("triplet_branch", **place)
vectors = scorer.embed_iter(images * 200)
next(vectors)
def rest():
    return len(list(vectors))
print(json.dumps([result(child(rest)), 1 + len(list(vectors))]))
"""
    refused, num_vectors = run_forking(_SCORER + program, "repository", repository, images[0].parent)
    assert refused == (
        "UsageError: vectors asked for in a forked process: expected the process that began to embed these images, "
        "got a copy of it; begin anew there"
    )
    assert num_vectors == 200 * len(images)


def test_child_refuses_another_artifact(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """Where the version was replaced since the fork no vector of the other artifact is given out."""
    own = publish_models(tmp_path / "models", tmp_path / "files", models=MODELS)
    publish_models(tmp_path / "others", tmp_path / "files", models=MODELS, seed=1)
    program = """
import shutil
scorer = Scorer("triplet_branch", **place)
embed(scorer)
shutil.rmtree(sys.argv[2])
shutil.copytree(sys.argv[4], sys.argv[2])
print(json.dumps([result(child(lambda: embed(scorer))), embed(scorer)]))
"""
    refused, vectors = run_forking(_SCORER + program, "repository", own, images[0].parent, tmp_path / "others")
    assert refused.startswith(
        "ServerError: model 'triplet_branch' is another since this process was forked: expected version 1 with digest "
    )
    np.testing.assert_allclose(vectors, expected_vectors(images), atol=1e-4)


def test_connection_of_the_caller_is_refused_in_children(repository: Path, images: list[Path]) -> None:
    """It cannot be made anew, and nobody knows what it holds."""
    program = """
from serving.client.connections.local import LocalConnection
from serving.client.options import ScorerOptions
connection = LocalConnection("triplet_branch", ScorerOptions(**place))
scorer = Scorer("triplet_branch", connection=connection)
embed(scorer)
print(json.dumps(result(child(lambda: embed(scorer)))))
"""
    assert run_forking(_SCORER + program, "repository", repository, images[0].parent) == (
        "UsageError: the scorer was made before this process was forked: expected one that can connect anew, "
        "got a connection of the caller's; make the Scorer in the process that uses it"
    )


def test_child_without_grpc_says_so(repository: Path, images: list[Path]) -> None:
    """Forked beside a running Server, or where gRPC's own support is off: refused at once, here still works."""
    program = """
from lookalike import Server
with Server(place["repository"], grpc_port=0) as server:
    scorer = Scorer("triplet_branch", url=server.url)
    embed(scorer)
    found = [result(child(lambda: embed(scorer)))]
    found.append(result(child(lambda: embed(Scorer("triplet_branch", **place)))))
    found.append(embed(scorer))
    def starts():
        server.stop()
        server.start()
    found.append(result(child(starts)))
    found.append(embed(scorer))
    scorer.close()
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
found.append(result(child(lambda: Scorer("triplet_branch", url="127.0.0.1:1"))))
print(json.dumps(found))
"""
    found = run_forking(_SCORER + program, "repository", repository, images[0].parent)
    line = (
        "ServerError: this forked process cannot call servers: expected a fork while nothing in the process uses gRPC, "
        "got {}; fork before the first call, or start processes with multiprocessing's spawn or forkserver"
    )
    assert found.pop(0) == line.format("a Server was running at the fork")
    assert found.pop() == line.format("GRPC_ENABLE_FORK_SUPPORT=0")
    assert found.pop(2) == (
        "ServerError: the server was made before this process was forked: expected the process that made it, got a "
        "copy of it, without its threads; make a Server here"
    )
    require_all(found, images, 3)


@pytest.mark.slow
def test_scorer_embeds_in_workers_of_a_data_loader(repository: Path, images: list[Path]) -> None:
    """torch's DataLoader, whose workers are forks."""
    pytest.importorskip("torch")
    program = """
from torch.utils.data import DataLoader, Dataset
scorer = Scorer("triplet_branch", **place)
embed(scorer)
class Rows(Dataset):
    def __len__(self):
        return len(images)
    def __getitem__(self, row):
        return scorer.embed([images[row]])[0]
loader = DataLoader(Rows(), batch_size=4, num_workers=2, multiprocessing_context="fork")
print(json.dumps([sum((batch.tolist() for batch in loader), []), embed(scorer)]))
"""
    require_all(run_forking(_SCORER + program, "repository", repository, images[0].parent), images, 2)
