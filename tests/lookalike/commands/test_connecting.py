"""Connection options of the commands: the Scorer that they make, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from artifact.errors import UsageError
from lookalike.cli import main
from lookalike.commands.connecting import open_scorer
from rows.vectors.table import VectorTable
from tests.shared.busy_server import FULL, Load
from tests.shared.scored_images import expected_vectors, publish_models, write_images
from tests.shared.secure_server import secure_server, served_by

MODEL = "triplet_branch"


def test_the_options_reach_the_scorer(tmp_path: Path) -> None:
    """In this process, and with a server that wants the token of a file."""
    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=[MODEL])
    images = write_images(tmp_path / "images", 5)
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    with secure_server(repository, token="s3cret") as port:
        url = f"127.0.0.1:{port}"
        for scorer in (
            open_scorer(MODEL, repository=repository, version=1),
            open_scorer(MODEL, url=url, token_file=token, send="encoded", batch_size=2),
        ):
            with scorer:
                np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=1e-5)
        assert (scorer.sending, scorer.batch_size, list(scorer.servers)) == ("encoded", 2, [url])


def test_what_makes_no_sense_is_one_line(tmp_path: Path) -> None:
    """Before anything is connected to."""
    empty = tmp_path / "empty"
    empty.write_text("\n")
    place = "where to score: expected exactly one of --url HOST:PORT and --repository DIR"
    token = "--token-file: expected a file with a token, got"
    cases = [
        ({}, place),
        ({"url": "a:1", "repository": tmp_path}, place),
        ({"url": "a:1", "token_file": empty}, f"{token} an empty one ({empty})"),
        ({"url": "a:1", "token_file": tmp_path}, f"{token} Is a directory ({tmp_path})"),
    ]
    for options, message in cases:
        with pytest.raises(UsageError) as error:
            open_scorer(MODEL, **options)  # type: ignore[arg-type]
        assert str(error.value) == message


def test_score_without_patience_fails_at_once_where_the_server_is_busy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line after one try; with patience the same server is waited for."""
    repository = publish_models(tmp_path / "repository", tmp_path / "files", models=[MODEL])
    images = write_images(tmp_path / "images", 4)  # one batch
    load = Load(refusals=2)
    with served_by(load.service(), repository) as port:
        options = ["--model", MODEL, "--url", f"127.0.0.1:{port}", "--send", "pixels"]
        command = ["score", str(images[0].parent), *options, "--output", str(tmp_path / "vectors")]
        assert main([*command, "--retry", "0"]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(load.left_s) == 1
        assert main(command) == 0
    assert lines[-1].endswith(f"the server takes no requests now: got {FULL[1]} (127.0.0.1:{port}); try again later")
    np.testing.assert_allclose(VectorTable.open(tmp_path / "vectors").matrix, expected_vectors(images), atol=1e-5)
