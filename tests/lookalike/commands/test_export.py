"""The command `export`, and an artifact from there through every command on artifacts."""

import json
import shutil
from pathlib import Path

import pytest

from tests.shared.command_line import Cli, everything, one_line
from tests.shared.tiny_artifact import write_tiny_artifact


def test_export_to_describe_to_rollback(cli: Cli, trained: Path) -> None:
    """A run is exported twice in both modes, described, checked, installed elsewhere, rolled back and removed."""
    code, out, err = cli("export", trained, "--as", "branch", "--repository", "r", "--file", "a.onnx", "--json")
    first = json.loads(out)
    assert (code, first["name"], first["version"]) == (0, "shapes", 1)
    assert "parity torch = onnxruntime on batches of 1, 2, 7: max |difference|" in err
    assert first["parity"]["max_abs"] <= first["parity"]["limit"] <= 1e-4 * 100
    assert cli("export", trained, "--as", "full", "--repository", "r")[0] == 0
    models = json.loads(cli("versions", "--repository", "r", "--json")[1])
    assert [(model["name"], model["mode"], model["served"]) for model in models] == [
        ("shapes", "branch", [1]),
        ("shapes_full", "full", [1]),
    ]
    assert "shapes_full" in cli("versions", "--repository", "r")[1]
    described = json.loads(cli("describe", "shapes", "--repository", "r", "--json")[1])
    assert described == json.loads(cli("describe", "a.onnx", "--json")[1])
    assert described["digest"] == first["digest"]
    assert described["inputs"] == [{"name": "image", "shape": "[N, 32, 32, 3]", "type": "UINT8", "label": "RGB pixels"}]
    table = cli("describe", "shapes_full", "--repository", "r")[1]
    assert "distance_anchor_negative" in table
    assert "embedding_positive" in table
    assert json.loads(cli("check", "a.onnx", "--json")[1])["golden_images"] == 4
    assert (
        json.loads(cli("install", "a.onnx", "--repository", "other", "--name", "copy", "--json")[1])["name"] == "copy"
    )
    write_tiny_artifact(Path("b.onnx"))
    code, _, err = cli("install", "b.onnx", "--repository", "r", "--name", "shapes")
    assert code == 1
    assert "has another signature" in one_line(err)
    versions = json.loads(cli("versions", "copy", "--repository", "other", "--json")[1])["versions"]
    assert [(row["version"], row["served"], row["digest"]) for row in versions] == [(1, True, first["digest"])]
    assert "has no version before 1" in one_line(cli("rollback", "copy", "--repository", "other")[2])
    assert cli("remove", "copy", "--repository", "other")[0] == 0
    assert not [path for path in Path("other").iterdir() if path.is_dir()]


def test_export_without_a_place_goes_to_model_repository(cli: Cli, trained: Path) -> None:
    """The default repository is ./model_repository, for export and for the verbs."""
    assert cli("export", trained)[0] == 0
    assert Path("model_repository/shapes/1/model.onnx").is_file()
    assert cli("describe", "shapes")[0] == 0
    assert cli("versions", "shapes")[0] == 0


def test_int8_says_on_stderr_that_it_reads_the_images_of_the_run(
    cli: Cli, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without folders that is the training set, which can take long; stdout is the answer alone."""
    monkeypatch.setattr("lookalike.progress.LOG_EVERY_S", 0.0)
    command = ("export", trained, "--precision", "int8", "--max-recall-loss", "100", "--file", "x.onnx", "--json")
    code, out, err = cli(*command)
    assert (code, json.loads(out)["name"]) == (0, "shapes_int8")
    assert "reading images 100 %: 48 of 48" in err


def test_bad_runs_and_artifacts_fail_in_one_line(cli: Cli, trained: Path, repository: Path) -> None:
    """A run without checkpoint, half an artifact, a repository or model that is not there; nothing is written."""
    shutil.copytree(trained, "cut")
    Path("cut/checkpoint.safetensors").unlink()
    half = (repository / "tiny/1/model.onnx").read_bytes()
    Path("half.onnx").write_bytes(half[: len(half) // 2])
    before = everything(Path())
    for arguments, words in (
        (["export", "nowhere", "--repository", "new"], ["run", "nowhere"]),
        (["export", "cut", "--repository", "new"], ["checkpoint", "cut"]),
        (["export", trained, "--repository", "new", "--name", "a/b"], ["a/b", "--name"]),
        (["describe", "half.onnx"], ["cut off", "half.onnx"]),
        (["check", "half.onnx"], ["cut off", "half.onnx"]),
        (["install", "half.onnx", "--repository", "new"], ["cut off", "half.onnx"]),
        (["describe", "tiny", "--repository", "none"], ["no model repository", "none"]),
        (["describe", "tinny", "--repository", "models"], ["no model 'tinny'", "tiny"]),
        (["describe", "tiny", "--repository", "models", "--version", 7], ["no version 7", "1"]),
        (["rollback", "nope", "--repository", "models"], ["no model 'nope'"]),
        (["serve", "none"], ["no model repository", "none"]),
        (["score", repository, "--model", "nope", "--repository", "models", "--output", "v"], ["no model 'nope'"]),
    ):
        code, _, err = cli(*arguments)
        assert code in (1, 2), arguments
        for word in words:
            assert word in one_line(err), arguments
        assert everything(Path()) == before, arguments
