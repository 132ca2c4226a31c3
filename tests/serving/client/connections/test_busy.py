"""Servers that have too much to do: another takes their work, else they are waited for, as long as retry_s says."""

from __future__ import annotations

import math
import re
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from artifact.errors import BusyError
from serving.client.scorer import Scorer
from serving.embedded.server import Server
from tests.shared.busy_server import FULL, TOO_MANY, Load, Refusal
from tests.shared.scored_images import expected_vectors
from tests.shared.secure_server import served_by
from tests.shared.waiting import eventually

MODEL = "triplet_branch"
MODELS = [MODEL]
NUM_IMAGES = 24


def test_every_try_has_the_whole_deadline_and_waits_are_no_part_of_its_time(
    repository: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused for most of the deadline, the request is taken with all of it and not what is left."""
    monkeypatch.setattr("serving.client.connections.patience.BUSY_FIRST_S", 0.6)
    load = Load(refusals=2)
    with (
        served_by(load.service(), repository) as port,
        Scorer(MODEL, url=f"127.0.0.1:{port}", send="pixels", timeout_s=1.2) as scorer,
    ):
        np.testing.assert_allclose(scorer.embed(images[:4]), expected_vectors(images[:4]), atol=1e-5)
        latency = scorer.latency()
    assert len(load.left_s) == 3
    assert load.left_s[2] > 0.9
    assert latency is not None
    assert latency.p99_s < 0.3  # the shortest wait of a call


@pytest.mark.parametrize("refusal", [FULL, TOO_MANY])
def test_a_server_that_was_busy_answers_and_is_left_in(repository: Path, images: list[Path], refusal: Refusal) -> None:
    """It is asked again, without a word of a server that went away."""
    load, lines = Load(refusals=3, refusal=refusal), list[str]()
    with (
        served_by(load.service(), repository) as port,
        Scorer(MODEL, url=f"127.0.0.1:{port}", send="pixels", batch_size=4, report=lines.append) as scorer,
    ):
        np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        assert list(scorer.servers.values()) == ["answers"]
    assert lines == []
    assert len(load.left_s) == 3 + 6  # no answer was thrown away


@pytest.mark.parametrize("retry_s", [0, 120])
def test_the_work_of_a_busy_server_goes_to_an_idle_one(repository: Path, images: list[Path], retry_s: float) -> None:
    """At once: it is no waiting, so no patience is needed; and few calls try the busy one first."""
    load, lines = Load(refusals=10**6), list[str]()
    with (
        served_by(load.service(), repository) as busy,
        Server(repository, grpc_port=0) as idle,
        Scorer(
            MODEL,
            url=[f"127.0.0.1:{busy}", idle.url],
            send="pixels",
            batch_size=1,
            retry_s=retry_s,
            report=lines.append,
        ) as scorer,
    ):
        for _ in range(3):
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        assert list(scorer.servers.values()) == ["answers", "answers"]
    assert 0 < len(load.left_s) < 3 * len(images)
    assert lines == []


def test_busy_servers_are_used_again_when_they_have_room(repository: Path, images: list[Path]) -> None:
    """Both refuse at first; then both answer."""
    loads = [Load(refusals=5), Load(refusals=9)]
    with ExitStack() as servers:
        ports = [servers.enter_context(served_by(load.service(), repository)) for load in loads]
        url = [f"127.0.0.1:{port}" for port in ports]
        scorer = servers.enter_context(Scorer(MODEL, url=url, send="pixels", batch_size=1))
        for _ in range(40):
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
            if all(len(load.left_s) > load.refusals for load in loads):
                break
    assert all(len(load.left_s) > load.refusals for load in loads)


@pytest.mark.parametrize("num_servers", [1, 2])
def test_without_patience_busy_servers_are_an_error_at_once(
    repository: Path, images: list[Path], num_servers: int
) -> None:
    """One line, after one try of each."""
    loads = [Load(refusals=10**6) for _ in range(num_servers)]
    with ExitStack() as servers:
        ports = [servers.enter_context(served_by(load.service(), repository)) for load in loads]
        url = [f"127.0.0.1:{port}" for port in ports]
        scorer = servers.enter_context(Scorer(MODEL, url=url, send="pixels", retry_s=0))
        with pytest.raises(BusyError) as error:
            scorer.embed(images[:4])
    words = rf"the server takes no requests now: got {FULL[1]} \(127\.0\.0\.1:\d+\); try again later"
    assert re.fullmatch(words, str(error.value))
    assert [len(load.left_s) for load in loads] == [1] * num_servers


def test_patience_with_a_busy_server_ends_with_its_words(repository: Path, images: list[Path]) -> None:
    """After retry_s, as where a server is away; asked several times until then, with waits between."""
    load = Load(refusals=10**6)
    with (
        served_by(load.service(), repository) as port,
        Scorer(MODEL, url=f"127.0.0.1:{port}", send="pixels", retry_s=0.3) as scorer,
        pytest.raises(BusyError, match=f"^the server takes no requests now: got {FULL[1]} "),
    ):
        scorer.embed(images[:4])
    assert 1 < len(load.left_s) < 30


def test_a_busy_server_is_waited_for_while_another_is_away(repository: Path, images: list[Path]) -> None:
    """Neither takes the call at first."""
    load = Load(refusals=4)
    with served_by(load.service(), repository) as port:
        with Server(repository, grpc_port=0) as gone:
            scorer = Scorer(MODEL, url=[gone.url, f"127.0.0.1:{port}"], send="pixels", batch_size=4)
        with scorer:
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
    assert len(load.left_s) == 4 + 6


@pytest.mark.parametrize("retry_s", [0, 120])
def test_a_server_that_is_busy_when_it_is_connected_to_is_waited_for(repository: Path, retry_s: float) -> None:
    """For as long as retry_s, and not at all with 0."""
    load = Load(refusals=0, metadata_refusals=2)
    with served_by(load.service(), repository) as port:
        if retry_s:
            Scorer(MODEL, url=f"127.0.0.1:{port}", retry_s=retry_s).close()
            assert load.metadata_refusals == 0
        else:
            with pytest.raises(BusyError, match=f"got {TOO_MANY[1]}"):
                Scorer(MODEL, url=f"127.0.0.1:{port}", retry_s=retry_s)
            assert load.metadata_refusals == 1


def test_confirming_waits_for_a_busy_server(repository: Path) -> None:
    """It is asked until it has said which artifact answers; that it was busy is no news."""
    load, lines = Load(refusals=0), list[str]()
    with (
        served_by(load.service(), repository) as port,
        Scorer(MODEL, url=f"127.0.0.1:{port}", report=lines.append) as scorer,
    ):
        load.metadata_refusals = 2
        scorer.confirm()
        assert load.metadata_refusals == 0
    assert lines == []


@pytest.mark.parametrize("other", ["busy", "away"])
@pytest.mark.parametrize("retry_s", [0, 120])
def test_confirming_takes_the_word_of_an_idle_server(
    repository: Path, images: list[Path], other: str, retry_s: float
) -> None:
    """Whatever the patience; the other one is left out until it has been asked too."""
    load = Load(refusals=0)
    with ExitStack() as servers:
        port = servers.enter_context(served_by(load.service(), repository))
        url = f"127.0.0.1:{port}"
        idle = servers.enter_context(Server(repository, grpc_port=0))
        gone = servers.enter_context(Server(repository, grpc_port=0)) if other == "away" else None
        pair = [url if gone is None else gone.url, idle.url]
        scorer = servers.enter_context(Scorer(MODEL, url=pair, send="pixels", batch_size=4, retry_s=retry_s))
        eventually(lambda: list(scorer.servers.values()) == ["answers", "answers"], "both are there")
        load.metadata_refusals = 10**6
        if gone is not None:
            gone.stop()
        scorer.confirm()
        assert scorer.servers[idle.url] == "answers"
        assert scorer.servers[pair[0]] != "answers"
        np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        load.metadata_refusals = 0
        if gone is None:
            eventually(lambda: scorer.servers[url] == "answers", "the busy one was asked")


@pytest.mark.parametrize("num_servers", [1, 2])
def test_confirming_without_patience_is_an_error_where_all_are_busy(repository: Path, num_servers: int) -> None:
    """One line, after one question to each at most."""
    loads = [Load(refusals=0) for _ in range(num_servers)]
    with ExitStack() as servers:
        ports = [servers.enter_context(served_by(load.service(), repository)) for load in loads]
        url = [f"127.0.0.1:{port}" for port in ports]
        scorer = servers.enter_context(Scorer(MODEL, url=url, retry_s=0))
        eventually(lambda: set(scorer.servers.values()) == {"answers"}, "all are there")
        for load in loads:
            load.metadata_refusals = 10**6
        with pytest.raises(BusyError, match=f"got {TOO_MANY[1]}"):
            scorer.confirm()


def test_no_deadline_at_all_waits_as_long_as_a_full_queue_lasts(repository: Path, images: list[Path]) -> None:
    """An infinite timeout_s is none, and not one that has passed."""
    load = Load(refusals=2)
    with (
        served_by(load.service(), repository) as port,
        Scorer(MODEL, url=f"127.0.0.1:{port}", send="pixels", timeout_s=math.inf) as scorer,
    ):
        np.testing.assert_allclose(scorer.embed(images[:4]), expected_vectors(images[:4]), atol=1e-5)
    assert len(load.left_s) == 3
