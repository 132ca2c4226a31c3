"""The options of a Scorer and of a Server: one dataclass each, whose fields are the arguments of those who take it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifact.errors import UsageError
from serving.client.async_scorer import AsyncScorer
from serving.client.connections.local import LocalConnection
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from serving.embedded.options import ServerOptions
from serving.embedded.server import Server
from tests.shared.scored_images import expected_vectors, publish_models, write_images

USERS = [(Scorer, ScorerOptions), (AsyncScorer, ScorerOptions), (Server, ServerOptions)]


@pytest.mark.parametrize(("user", "options"), USERS)
def test_signatures_have_every_option_with_its_default(user: Callable[..., Any], options: Any) -> None:
    """As help() shows them; a keyword each, in the same order, none more and none less."""
    first, *rest = inspect.signature(user).parameters.values()
    assert first.default is inspect.Parameter.empty
    assert {each.kind for each in rest} == {inspect.Parameter.KEYWORD_ONLY}
    assert [(each.name, each.default) for each in rest] == [(each.name, each.default) for each in fields(options)]
    assert [each.annotation for each in rest] == [each.type for each in fields(options)]
    assert [each.name for each in fields(options) if each.name not in options.__doc__] == []


def test_a_scorer_takes_any_connection(tmp_path: Path) -> None:
    """Under its own name only; closed with the Scorer."""

    class Closed(LocalConnection):
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=["triplet_branch"])
    images = write_images(tmp_path / "images", 5)
    connection = Closed("triplet_branch", ScorerOptions(repository=repository))
    with pytest.raises(UsageError, match=r"^model: expected 'triplet_branch', that of the connection, got 'other'$"):
        Scorer("other", connection=connection)
    with pytest.raises(UsageError, match=r"^where to score: expected a connection alone, got version, device too; "):
        Scorer("triplet_branch", connection=connection, version=7, device="cuda")
    with Scorer("triplet_branch", connection=connection) as scorer:
        np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        assert (scorer.servers, scorer.sending, scorer.digest) == ({}, "pixels", connection.digest)
        assert scorer.latency() is not None
        assert not connection.is_closed
    assert connection.is_closed


@pytest.mark.parametrize(
    ("options", "ignored"),
    [
        ({"repository": "models"}, "repository"),
        ({"url": "localhost:1"}, "url"),
        ({"version": 7}, "version"),
        ({"device": "cuda", "batch_size": 3}, "device"),
        ({"tls": True, "tls_certificate": "a.pem", "tls_key": "b.pem"}, "tls, tls_certificate, tls_key"),
        ({"token": "secret", "send": "encoded"}, "token"),
        ({"retry_s": 0, "report": print}, "retry_s, report"),
        ({"threads": 2, "timeout_s": 1.0}, "threads, timeout_s"),
    ],
)
def test_options_that_a_connection_would_ignore_are_refused(options: dict[str, Any], ignored: str) -> None:
    """All of them in one line, in the order of help(); where it runs elsewhere, two more mean something."""

    class Local:
        is_local = True

    class Remote:
        is_local = False

    where = f"where to score: expected a connection alone, got {ignored} too"
    line = f"{where}; give such options to what makes the connection"
    with pytest.raises(UsageError, match=f"^{line}$"):
        ScorerOptions(connection=Local(), **options)
    if "threads" in options:
        assert ScorerOptions(connection=Remote(), **options).threads == 2
    else:
        with pytest.raises(UsageError, match=f"^{line}$"):
            ScorerOptions(connection=Remote(), **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"send": "files"}, "send 'files': expected one of auto, pixels, encoded"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"threads": 0}, "threads: expected at least 1, got 0"),
        ({"version": 0}, "version: expected at least 1, got 0"),
        ({"timeout_s": 0}, "timeout_s: expected more than 0 seconds, got 0"),
        ({"url": "localhost:1"}, "where to score: expected either a url or a repository, got both"),
        ({"repository": None}, "where to score: expected either a url or a repository, got none"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, object], message: str) -> None:
    """One line each."""
    with pytest.raises(UsageError) as error:
        Scorer("any", **{"repository": tmp_path, **options})  # type: ignore[arg-type]
    assert str(error.value) == message
