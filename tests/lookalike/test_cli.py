"""The command line as a user meets it: one line for every mistake, the right exit code, nothing half-written."""

import csv
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from artifact.repository.publishing import publish
from lookalike.cli import main
from tests.artifact.test_preprocessing import png_of
from tests.shared.child_process import start_child
from tests.shared.shapes_run import small_run, write_shapes
from tests.shared.tiny_artifact import write_tiny_artifact

Cli = Callable[..., tuple[int, str, str]]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("trained") / "shapes").path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for mode, name in (("branch", "tiny"), ("full", "tiny_full")):
        write_tiny_artifact(tmp_path / "artifact.onnx", mode=mode, name=name)
        publish(tmp_path / "artifact.onnx", tmp_path / "models")
    (tmp_path / "artifact.onnx").unlink()
    return tmp_path / "models"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_shapes(tmp_path / "images", per_class=4)


def one_line(text: str) -> str:
    """The error: the last line of stderr, which must be ours."""
    line = text.strip().splitlines()[-1]
    assert line.startswith("lookalike: "), text
    assert "Traceback" not in text
    return line.removeprefix("lookalike: ")


def everything(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


# ------------------------------------------------------------------ training on bad input


def spoil(images: Path, name: str) -> None:
    """Turn a good folder of images into one of the bad ones."""
    first = next(iter(sorted((images / "disc").iterdir())))
    match name:
        case "truncated":
            Image.open(first).save(images / "disc" / "cut.jpg", quality=95)
            data = (images / "disc" / "cut.jpg").read_bytes()
            (images / "disc" / "cut.jpg").write_bytes(data[: len(data) // 2])
        case "text":
            (images / "disc" / "note.jpg").write_text("I am no picture")
        case "0 bytes":
            (images / "disc" / "nothing.png").touch()
        case "1x1":
            Image.new("RGB", (1, 1)).save(images / "disc" / "dot.png")
        case "bomb":
            (images / "disc" / "bomb.png").write_bytes(png_of(20_000, 20_000))
        case "one class":
            for other in ("square", "stripe", "cross"):
                shutil.rmtree(images / other)
        case "single images":
            for folder in images.iterdir():
                for path in sorted(folder.iterdir())[1:]:
                    path.unlink()
        case "two classes":
            for other in ("square", "stripe"):
                shutil.rmtree(images / other)
        case "empty":
            shutil.rmtree(images)
            images.mkdir()
        case "missing":
            shutil.rmtree(images)


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("missing", "triplet", ["images"]),
        ("empty", "triplet", ["images"]),
        ("one class", "triplet", ["class"]),
        ("single images", "triplet", ["class"]),
        ("two classes", "quartet", ["three", "class"]),
        ("truncated", "triplet", ["cut.jpg", "truncated"]),
        ("text", "triplet", ["note.jpg", "not an image"]),
        ("0 bytes", "triplet", ["nothing.png", "empty (0 bytes)"]),
        ("1x1", "triplet", ["dot.png", "1x1 pixels"]),
        ("bomb", "triplet", ["bomb.png", "20000x20000 pixels, over the limit"]),
    ],
)
def test_training_on_bad_images_fails_in_one_line(
    cli: Cli, images: Path, name: str, kind: str, words: list[str]
) -> None:
    """Exit code 1, a line that names the thing and where it is, and no run folder."""
    spoil(images, name)
    code, out, err = cli("train", "images", "--kind", kind, "--output", "runs/x", "--epochs", 1, "--base", "conv4")
    line = one_line(err)
    assert (code, out) == (1, "")
    for word in words:
        assert word in line
    assert "images" in line
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--dim", "0"], ["dim", "expected", "0"]),
        (["--dim", "1000000"], ["dim", "expected", "1000000"]),
        (["--margin", "-1"], ["margin", "-1"]),
        (["--margin", "nan"], ["margin", "nan"]),
        (["--margin", "5", "--normalize"], ["margin", "2", "5"]),
        (["--base", "resnet81"], ["resnet81", "resnet18"]),
        (["--loss", "tripplet"], ["tripplet", "triplet"]),
        (["--distance", "manhattan"], ["manhattan", "euclidean"]),
        (["--mining", "hardest"], ["hardest"]),
        (["--validation", "images:2"], ["--validation", "between 0 and 1", "2"]),
        (["--set", "optimizer.learning_rat=1"], ["optimizer.learning_rat", "optimizer.learning_rate"]),
        (["--epochs", "0"], ["epochs", "0"]),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(
    cli: Cli, images: Path, options: list[str], words: list[str]
) -> None:
    """Exit code 2 before an image is read, naming the option, what was expected and the nearest word."""
    code, _, err = cli("train", "images", "--kind", "triplet", "--output", "runs/x", *options)
    line = one_line(err)
    assert code == 2, line
    for word in words:
        assert word in line
    assert not Path("runs").exists()


def test_output_of_another_run_is_left_alone(cli: Cli, images: Path, trained: Path) -> None:
    """A run folder that holds something is refused and unchanged."""
    before = {path: path.read_bytes() for path in trained.iterdir()}
    code, _, err = cli("train", "images", "--kind", "triplet", "--output", trained, "--epochs", 1)
    assert code == 1
    assert "got a run" in one_line(err)
    assert {path: path.read_bytes() for path in trained.iterdir()} == before


def test_usage_mistakes_exit_with_2(cli: Cli) -> None:
    """Typer's own complaints take the same form."""
    for arguments, words in (
        (["trian"], ["trian", "train"]),
        (["train", "x"], ["--kind", "siamese, triplet, quartet"]),
        (["train", "x", "--kind", "pairs", "--output", "y"], ["pairs"]),
        (["score", "x", "--model", "m", "--output", "y"], ["exactly one of --url", "--repository"]),
        (["score", "x", "--model", "m", "--output", "y", "--url", "u:1", "--columns", "a"], ["--columns"]),
        (["serve", "x", "--grpc-port", "70000"], ["--grpc-port", "65535"]),
    ):
        code, _, err = cli(*arguments)
        assert code == 2, arguments
        for word in words:
            assert word in one_line(err)


def test_no_arguments_print_the_help_as_it_is(cli: Cli) -> None:
    """Lines, not one line; on stderr, for nothing was asked."""
    code, out, err = cli()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: ")
    assert "\n  search " in err


def test_an_empty_argument_is_a_usage_error(cli: Cli, images: Path, repository: Path) -> None:
    """`--output "$UNSET"` does not mean the current folder."""
    before = everything(Path())
    code, _, err = cli("score", "images", "--model", "tiny", "--repository", "models", "--output", "")
    assert code == 2
    assert one_line(err) == "argument: expected a value, got an empty text after --output; is a variable unset?"
    assert everything(Path()) == before


def test_names_too_long_for_the_file_system_are_one_line(cli: Cli, images: Path, repository: Path) -> None:
    """Wherever a path is taken."""
    long = "x" * 300
    in_process = ("--model", "tiny", "--repository", "models")
    for arguments in (
        ("train", "images", "--kind", "triplet", "--output", long),
        ("train", long, "--kind", "triplet", "--output", "run"),
        ("describe", long),
        ("install", repository / "tiny/1/model.onnx", "--repository", long),
        ("score", "images", *in_process, "--output", long),
        ("score", long, *in_process, "--output", "v"),
        ("index", long, "--output", "i"),
        ("search", long, "images"),
        ("serve", long),
    ):
        code, _, err = cli(*arguments)
        assert code in (1, 2), arguments
        assert "ile name too long" in one_line(err)
        assert "Traceback" not in err


def test_lines_are_not_folded_where_there_is_no_terminal(cli: Cli, repository: Path) -> None:
    """A digest stays in one piece, so that grep and awk find it."""
    out = cli("versions", "tiny", "--repository", "models", "--json")[1]
    digest = json.loads(out)["versions"][0]["digest"]
    for command in (("versions", "tiny"), ("describe", "tiny"), ("check", "tiny")):
        lines = cli(*command, "--repository", "models")[1].splitlines()
        assert sum(digest in line for line in lines) == 1, lines
        assert all(line == line.rstrip() for line in lines)


# ------------------------------------------------------------------ artifacts


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


def test_a_server_that_cannot_begin_ends_in_one_line(cli: Cli, repository: Path) -> None:
    """An unknown device is no server without models; gRPC's core, in a process of its own, adds no line to ours."""
    code, _, err = cli("serve", repository, "--device", "cdua")
    assert (code, one_line(err)) == (2, "device 'cdua': expected one of cpu, cuda")
    command = [sys.executable, "-m", "lookalike", "serve", str(repository), "--host", "203.0.113.7"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, len(ended.stderr.splitlines())) == (1, 1), ended.stderr


def test_port_in_use_is_named(cli: Cli, repository: Path) -> None:
    """A second server on the same port says so and ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = cli("serve", repository, "--grpc-port", port)
    assert code == 1
    assert str(port) in one_line(err)


# ------------------------------------------------------------------ scoring and analysis


def test_score_index_search_cluster_evaluate(cli: Cli, images: Path, repository: Path) -> None:
    """The journey after training, in-process: a folder to vectors to answers."""
    code, out, _ = cli("score", "images", "--model", "tiny", "--repository", "models", "--output", "v", "--json")
    assert (code, json.loads(out)["num_scored"]) == (0, 16)
    code, out, _ = cli("evaluate", "v", "--label", "label", "--json")
    assert (code, set(json.loads(out)) >= {"recall@1", "recall@5", "recall@10", "mAP", "mAP@R", "purity", "nmi"}) == (
        0,
        True,
    )
    assert cli("index", "v", "--output", "shapes.index")[0] == 0
    query = ("search", "shapes.index", "images/disc/01.png", "-k", 3, "--model", "tiny", "--repository", "models")
    code, out, _ = cli(*query, "--json")
    nearest = json.loads(out)[0]["neighbours"]
    assert nearest[0]["id"] == "disc/01.png"
    assert nearest[0]["distance"] == pytest.approx(0, abs=1e-3)
    assert "disc/01.png" in cli(*query)[1]
    assert len(json.loads(cli("search", "shapes.index", "v", "-k", 2, "--json")[1])) == 16
    code, out, _ = cli("cluster", "v", "-k", 4, "--output", "c.parquet", "--json")
    assert (code, sum(json.loads(out)["sizes"])) == (0, 16)


def test_bad_images_of_a_table_exit_with_3(cli: Cli, images: Path, repository: Path) -> None:
    """The good rows are scored, the bad ones listed with their reasons."""
    import pyarrow.parquet as pq

    spoil(images, "text")
    spoil(images, "0 bytes")
    code, out, err = cli("score", "images", "--model", "tiny", "--repository", "models", "--output", "v", "--json")
    assert code == 3
    assert (json.loads(out)["num_scored"], json.loads(out)["num_errors"]) == (16, 2)
    assert "2 rows with bad images, listed in v/errors.parquet" in err
    errors = pq.read_table("v/errors.parquet").to_pylist()
    assert {row["id"] for row in errors} == {"disc/note.jpg", "disc/nothing.png"}
    assert {row["stream"] for row in errors} == {"image"}


def write_triplets(images: Path, file: Path) -> None:
    paths = sorted(images.rglob("*.png"))
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "a", "p", "n"])
        for row in range(10):
            writer.writerow(
                [row, *(paths[(row * step) % len(paths)].relative_to(file.resolve().parent) for step in (1, 3, 5))]
            )


def test_multi_stream_table_by_both_artifacts(cli: Cli, images: Path, repository: Path) -> None:
    """A full and a branch artifact of one space give the same vectors and distances for a triplet table."""
    import pyarrow.parquet as pq

    write_triplets(images, Path("triplets.csv"))
    columns = "anchor=a,positive=p,negative=n"
    tables = []
    for model in ("tiny", "tiny_full"):
        code, _, err = cli(
            "score", "triplets.csv", "--model", model, "--repository", "models", "--output", model, "--columns", columns
        )
        assert code == 0, err
        tables.append(pq.read_table(f"{model}/part-00000.parquet"))
    for name in ("embedding_anchor", "embedding_negative"):
        vectors = [np.stack(table[name].to_numpy()) for table in tables]
        np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
    for name in ("distance_anchor_positive", "distance_anchor_negative"):
        np.testing.assert_allclose(tables[0][name].to_numpy(), tables[1][name].to_numpy(), atol=1e-5)


def test_bad_tables_and_vectors_fail_in_one_line(cli: Cli, images: Path, repository: Path) -> None:
    """Columns, streams, servers and spaces that do not fit; another job's folder; nothing is changed."""
    write_triplets(images, Path("triplets.csv"))
    score = ("score", "images", "--model", "tiny")
    assert cli(*score, "--repository", "models", "--output", "v")[0] == 0
    write_tiny_artifact(Path("other.onnx"), seed=5)
    publish(Path("other.onnx"), Path("models"), name="other")
    Path("other.onnx").unlink()
    assert cli("score", "images", "--model", "other", "--repository", "models", "--output", "w")[0] == 0
    assert cli("index", "v", "--output", "v.index")[0] == 0
    (Path("foreign")).mkdir()
    Path("foreign/file.txt").write_text("mine")
    before = everything(Path())
    full = ("score", "triplets.csv", "--model", "tiny_full", "--repository", "models", "--output", "new")
    for arguments, words in (
        ([*score, "--url", "127.0.0.1:9", "--output", "new"], ["127.0.0.1:9"]),
        ([*score, "--url", "nonsense", "--output", "new"], ["nonsense"]),
        ([*full], ["anchor", "triplets.csv"]),
        ([*full, "--columns", "anchor=a,positive=p,negative=zzz"], ["zzz", "triplets.csv"]),
        ([*full, "--columns", "anchor=a,positive=p,negativ=n"], ["negativ"]),
        (["score", "none.csv", "--model", "tiny", "--repository", "models", "--output", "new"], ["none.csv"]),
        ([*score, "--repository", "models", "--output", "w"], ["w"]),
        ([*score, "--repository", "models", "--output", "foreign"], ["foreign"]),
        (["search", "v.index", "w"], ["space"]),
        (["search", "v.index", "images/disc/00.png", "--model", "other", "--repository", "models"], ["space"]),
        (["search", "v.index", "images/disc/00.png"], ["--model"]),
        (["search", "none.index", "v"], ["none.index"]),
        (["evaluate", "v", "--label", "lable"], ["lable", "label"]),
        (["evaluate", "none", "--label", "label"], ["none"]),
        (["cluster", "v", "-k", "100", "--output", "c.parquet"], ["100", "16"]),
        (["index", "v", "--column", "embeding", "--output", "x.index"], ["embeding", "embedding"]),
    ):
        code, _, err = cli(*arguments)
        assert code in (1, 2), arguments
        for word in words:
            assert word in one_line(err), arguments
        assert everything(Path()) == before, arguments


def test_train_then_deploy(cli: Cli, images: Path) -> None:
    """One command from images to two published models."""
    code, out, err = cli(
        "train",
        "images",
        "--kind",
        "siamese",
        "--output",
        "runs/pairs",
        "--epochs",
        1,
        "--dim",
        4,
        "--size",
        32,
        "--validation",
        "images:0.5",
        "--deploy",
        "models",
        "--json",
    )
    assert code == 0, err
    models = json.loads(out)["models"]
    assert [(model["name"], model["mode"], model["version"]) for model in models] == [
        ("pairs", "branch", 1),
        ("pairs_full", "full", 1),
    ]
    assert "epoch 1/1: loss" in err


def test_deploying_is_refused_before_training(cli: Cli, images: Path, repository: Path) -> None:
    """A name taken by another signature, a foreign folder of the name, a file for a repository: no run is begun."""
    (repository / "own_full").mkdir()
    (repository / "own_full/config.pbtxt").write_text('name: "own_full"')
    Path("file").touch()
    train = ("train", "images", "--kind", "triplet", "--output", "runs/x", "--epochs", 1, "--dim", 7)
    for deploy, words in (
        (("models", "--name", "tiny"), ["'tiny' has another signature", "--name"]),
        (("models", "--name", "own"), ["'own_full'", "--name"]),
        (("file",), ["repository", "got a file", "file"]),
        (("file/deeper",), ["repository", "got a file", "file"]),
    ):
        code, _, err = cli(*train, "--deploy", *deploy)
        assert code == 1, deploy
        for word in words:
            assert word in one_line(err)
        assert "epoch" not in err
        assert not Path("runs").exists()


def test_interrupted_training_leaves_one_line(images: Path) -> None:
    """Ctrl-C ends with exit code 130 and a line, not a traceback."""
    import signal

    command = [sys.executable, "-m", "lookalike", "train", str(images), "--kind", "triplet", "--epochs", "100000"]
    process = start_child(
        [*command, "--output", str(images.parent / "run")],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stderr is not None
    first = process.stderr.readline()
    assert first.startswith("epoch 1/100000"), first
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "lookalike: interrupted"
    assert "Traceback" not in rest
    assert (images.parent / "run" / "checkpoint.safetensors").is_file()


def test_help_names_every_command(cli: Cli) -> None:
    """--help lists the journey; --version is the package's."""
    out = cli("--help")[1]
    for name in (
        "demo",
        "train",
        "export",
        "adopt",
        "describe",
        "check",
        "diff",
        "tune",
        "install",
        "extract",
        "versions",
        "rollback",
        "remove",
        "serve",
        "score",
        "merge",
        "index",
        "search",
        "cluster",
        "evaluate",
        "push",
    ):
        assert f"  {name} " in out
    from importlib.metadata import version

    assert cli("--version")[1].strip() == version("lookalike")
