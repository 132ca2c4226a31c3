"""Foreign and hostile things in a repository or a request: none of them runs, none is reached, all are told.

Names of models are the only part of a request that could become a path.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from artifact.errors import printable
from serving.embedded.server import Server
from tests.shared.pictures import noise, png
from tests.shared.tiny_artifact import linear_vectors, publish_tiny
from tests.shared.triton_client import client_of, index_of, infer, refusal


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ('name: "foreign" backend: "python"', "backend 'python' is not served here"),
        ("name: 7 {", "config.pbtxt does not parse"),
        (None, "backend 'python' is not served here"),
        (
            'backend: "onnxruntime" parameters { key: "lookalike.manifest.1" value { string_value: "{" } }',
            "parameter 'lookalike.manifest.1'",
        ),
    ],
)
def test_foreign_models_are_listed_with_the_reason(tmp_path: Path, config: str | None, reason: str) -> None:
    """Folders that are not ours are UNAVAILABLE, say why, and their Python is never run."""
    root, reports = tmp_path / "repository", []
    publish_tiny(root)
    folder = root / "foreign" / "1"
    folder.mkdir(parents=True)
    trap = tmp_path / "trap"
    (folder / "model.py").write_text(f"open({str(trap)!r}, 'w')")
    if config is not None:
        (root / "foreign" / "config.pbtxt").write_text(config)
    with Server(root, grpc_port=0, report=reports.append) as server, client_of(server) as client:
        ((version, (state, why)),) = [(key[1], told) for key, told in index_of(client).items() if key[0] == "foreign"]
        assert state == "UNAVAILABLE"
        assert reason in why
        assert any("'foreign'" in line and reason in line for line in reports)
        code, text = refusal(lambda: client.load_model("foreign"))
        if version:
            assert (code, text) == (
                "INVALID_ARGUMENT",
                f"load failed for model 'foreign': version {version} is at UNAVAILABLE state: {why};",
            )
        else:
            assert (code, text) == ("INTERNAL", "failed to load 'foreign', failed to poll from model repository")
        assert client.is_model_ready("tiny")
    assert not trap.exists()


def test_python_of_a_companion_never_runs(tmp_path: Path) -> None:
    """A changed model.py in NAME_decode is not run: our own decoder answers."""
    root, trap = tmp_path / "repository", tmp_path / "trap"
    publish_tiny(root)
    for file in (root / "tiny_decode" / "1").glob("*.py"):
        file.write_text(f"open({str(trap)!r}, 'w')")
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        answer = infer(client, "tiny_encoded", {"image": [png(noise(1)[0])]})
    np.testing.assert_allclose(answer.as_numpy("embedding"), linear_vectors(noise(1)), atol=1e-5)
    assert not trap.exists()


def test_companion_with_another_signature_is_refused(tmp_path: Path) -> None:
    """NAME_encoded whose config says other outputs is not served; NAME is."""
    root = tmp_path / "repository"
    publish_tiny(root)
    path = root / "tiny_encoded" / "config.pbtxt"
    path.write_text(path.read_text().replace('name: "embedding"', 'name: "vector"'))
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        assert client.is_model_ready("tiny")
        assert not client.is_model_ready("tiny_encoded")
        assert "output in config.pbtxt is not the artifact's" in index_of(client)["tiny_encoded", ""][1]


@pytest.mark.parametrize(
    "name", ["../outside", "tiny/../../outside", "/", ".", "..", "", "tiny\0", ".hidden", "a" * 300]
)
def test_names_that_are_paths_reach_no_file(tmp_path: Path, name: str) -> None:
    """A published model outside the root cannot be loaded, asked or run through any name."""
    root = tmp_path / "repository"
    publish_tiny(root)
    publish_tiny(tmp_path / "elsewhere", name="outside")
    (tmp_path / "elsewhere" / "outside").rename(tmp_path / "outside")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "config.pbtxt").write_bytes((tmp_path / "outside" / "config.pbtxt").read_bytes())
    with Server(root, grpc_port=0) as server, client_of(server) as client:
        for load in (name, f"{name}_encoded"):
            assert refusal(lambda load=load: client.load_model(load)) == (
                "INTERNAL",
                f"failed to load '{printable(load)}', failed to poll from model repository",
            )
        assert not client.is_model_ready(name) if name else True
        assert refusal(lambda: infer(client, name, {"image": noise(1)})) == (
            "NOT_FOUND",
            f"Request for unknown model: '{printable(name)}' is not found",
        )
        client.unload_model(name)
        assert client.is_model_ready("tiny")
