"""Whole training runs on drawn images: they learn, repeat to the byte, continue, and leave no trace when refused."""

import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from analysis.measures.metrics import retrieval_metrics
from artifact.distances import DISTANCES
from artifact.errors import DataError, LookalikeError, OutputError, RunError, TrainingError, UsageError
from trainer.config.config import make_config
from trainer.loop.fit import fit
from trainer.loop.validation import embed
from trainer.networks.base_networks import build_base
from trainer.run.folder import Run, load_run, make_branch
from trainer.weights.optimizers import learning_rate

SHAPES = ("circle", "cross", "square", "triangle")


def _draw(shape: str, random: np.random.Generator) -> Image.Image:
    """One shape of random place, size and colours, so that raw pixels do not tell the class."""
    paper, ink = (tuple(int(v) for v in random.integers(low, low + 90, 3)) for low in random.permutation([20, 150]))
    image = Image.new("RGB", (32, 32), paper)
    draw, r = ImageDraw.Draw(image), int(random.integers(7, 11))
    x, y = (int(v) for v in random.integers(12, 21, 2))
    if shape == "circle":
        draw.ellipse((x - r, y - r, x + r, y + r), fill=ink)
    elif shape == "square":
        draw.rectangle((x - r, y - r, x + r, y + r), fill=ink)
    elif shape == "triangle":
        draw.polygon([(x, y - r), (x - r, y + r), (x + r, y + r)], fill=ink)
    else:
        draw.line((x - r, y - r, x + r, y + r), fill=ink, width=4)
        draw.line((x - r, y + r, x + r, y - r), fill=ink, width=4)
    return image


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four class folders of 40 drawn images."""
    root, random = tmp_path_factory.mktemp("shapes"), np.random.default_rng(0)
    for shape in SHAPES:
        (root / shape).mkdir()
        for index in range(40):
            _draw(shape, random).save(root / shape / f"{index:02d}.png")
    return root


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    """Equal bytes are promised for equal threads, and tests share their machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _fit(images: Path, output: Path, *, report: Any = None, resume: bool = False, **values: Any) -> Run:
    small = {
        "images": images,
        "kind": "triplet",
        "dim": 8,
        "size": 24,
        "epochs": 2,
        "validation": "images:0.25",
        "sampling": {"images_per_class": 6},
    }
    return fit(make_config(small | values), output, report=report, resume=resume)


def _untrained_recall(run: Run, held_out: Path) -> float:
    torch.manual_seed(0)
    branch = make_branch(run.config, build_base(run.config.base, size=run.config.size, pooling=run.config.pooling))
    return _recall(branch, run, held_out)


def _recall(branch: Any, run: Run, held_out: Path) -> float:
    from trainer.data.class_sets import open_class_folder
    from trainer.data.images import read_images

    images, _ = read_images(open_class_folder(held_out), run.preprocessing, max_cache_bytes=2**24)
    return retrieval_metrics(embed(branch, images), images.labels, distance=run.distance)["recall@1"]


@pytest.fixture(scope="module")
def new_shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images that no run of this file trains on."""
    root, random = tmp_path_factory.mktemp("new-shapes"), np.random.default_rng(1)
    for shape in SHAPES:
        (root / shape).mkdir()
        for index in range(20):
            _draw(shape, random).save(root / shape / f"{index:02d}.png")
    return root


@pytest.mark.parametrize(
    ("kind", "normalize", "loss"),
    [
        ("siamese", True, None),
        ("triplet", True, None),
        ("triplet", False, "triplet"),
        ("quartet", False, None),
        ("triplet", True, "triplet_soft"),
        ("quartet", True, "contrastive"),
    ],
)
def test_fit_learns_what_it_was_not_shown(
    shapes: Path, new_shapes: Path, tmp_path: Path, kind: str, normalize: bool, loss: str | None
) -> None:
    """Recall@1 on new images rises well above the untrained network's, and the run reads back as it was."""
    events: list[dict[str, Any]] = []
    run = _fit(
        shapes,
        tmp_path / "run",
        kind=kind,
        normalize=normalize if loss else None,
        loss=loss,
        epochs=9,
        validation=str(new_shapes),
        report=events.append,
        pooling="avg",  # the shapes stand anywhere
    )
    before, after = _untrained_recall(run, new_shapes), _recall(run.branch, run, new_shapes)
    assert after > before + 0.15
    assert after > 0.85
    lines = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == list(range(1, 10))
    assert lines[-1]["recall@1"] == pytest.approx(after)
    assert lines[-1]["pct_correct"] > lines[0]["pct_correct"]
    assert lines[-1]["step"] == len([event for event in events if event["event"] == "step"])
    assert (run.kind, run.embedding_dim, run.distance, run.normalized) == (kind, 8, "euclidean", normalize)
    assert run.margin == run.config.margin is not None
    assert (run.preprocessing.height, run.preprocessing.width) == (24, 24)
    assert not run.branch.training


def test_run_states_its_facts(shapes: Path, tmp_path: Path) -> None:
    """Counts, hashes, versions and a threshold that holds what it says on the held-out pairs."""
    run = _fit(shapes, tmp_path / "run")
    contents = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in shapes.rglob("*.png"))
    assert run.facts["data_sha256"] == hashlib.sha256("\n".join(contents).encode()).hexdigest()
    assert (run.facts["num_images"], run.facts["num_classes"], run.facts["seed"]) == (160, 4, 0)
    assert run.facts["num_train_images"] + run.facts["num_validation_images"] == len(set(contents)) == 160
    assert run.facts["num_validation_images"] == 40
    assert run.facts["end_time"].endswith("+00:00")
    assert run.facts["versions"]["torch"] == torch.__version__
    assert run.base == {
        "name": "conv4",
        "source": "lookalike",
        "weights": "random",
        "pretrained": False,
        "licence": None,
    }
    assert run.threshold is not None
    assert run.threshold.keys() == {"value", "rule", "far", "frr", "eer", "pairs", "protocol"}
    assert run.threshold["far"] <= 0.01
    assert run.threshold["pairs"] == 40 * 39 // 2
    assert run.checkpoint_sha256 == hashlib.sha256((run.path / "checkpoint.safetensors").read_bytes()).hexdigest()
    files = {"config.yaml", "checkpoint.safetensors", "metrics.jsonl", "facts.json", "report.html"}
    assert {path.name for path in run.path.iterdir()} == files


def test_same_seed_gives_the_same_checkpoint_to_the_byte(shapes: Path, tmp_path: Path) -> None:
    """Also after the caller used torch's generator, which fit leaves as it was; another seed gives another one."""
    first = _fit(shapes, tmp_path / "a")
    torch.manual_seed(99)
    expected = torch.rand(1)
    torch.manual_seed(99)
    second = _fit(shapes, tmp_path / "b")
    assert torch.equal(torch.rand(1), expected)
    assert first.checkpoint_sha256 == second.checkpoint_sha256
    assert first.checkpoint_sha256 != _fit(shapes, tmp_path / "c", seed=1).checkpoint_sha256
    cached = _fit(shapes, tmp_path / "d", max_cache_mb=0)
    assert first.checkpoint_sha256 == cached.checkpoint_sha256


@pytest.mark.parametrize("optimizer", [{"name": "adamw"}, {"name": "sgd", "learning_rate": 0.01}])
def test_resumed_run_ends_like_one_that_was_never_stopped(
    shapes: Path, tmp_path: Path, optimizer: dict[str, Any]
) -> None:
    """Stopped in the middle of the third epoch, the run holds a whole checkpoint of the second and goes on from it."""
    values = {"epochs": 4, "optimizer": optimizer}
    whole = _fit(shapes, tmp_path / "whole", **values)

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fit(shapes, tmp_path / "cut", report=stop, **values)
    cut = load_run(tmp_path / "cut")
    assert cut.threshold is None
    assert len((cut.path / "metrics.jsonl").read_text().splitlines()) == 2
    with pytest.raises(RunError, match=r"^epochs of the run to resume: expected 4, got 5"):
        _fit(shapes, tmp_path / "cut", resume=True, **(values | {"epochs": 5}))
    with (cut.path / "metrics.jsonl").open("a") as stream:  # as if stopped between metrics and checkpoint
        stream.write('{"epoch": 3}\n')
    resumed = _fit(shapes, tmp_path / "cut", resume=True, **values)
    assert resumed.checkpoint_sha256 == whole.checkpoint_sha256 != cut.checkpoint_sha256
    assert resumed.threshold == whole.threshold
    lines = [json.loads(line) for line in (resumed.path / "metrics.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in lines] == [1, 2, 3, 4]
    with pytest.raises(RunError) as caught:
        _fit(shapes, tmp_path / "cut", resume=True, **values)
    expected = f"run to resume: expected an unfinished run, got a finished run ({tmp_path / 'cut'})"
    assert str(caught.value) == expected


def test_run_stopped_after_its_last_epoch_is_finished_by_resume(shapes: Path, tmp_path: Path) -> None:
    """Nothing is left to train, but threshold and final facts are missing."""

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "epoch" and event["epoch"] == 2:
            raise KeyboardInterrupt

    whole = _fit(shapes, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        _fit(shapes, tmp_path / "cut", report=stop)
    resumed = _fit(shapes, tmp_path / "cut", resume=True)
    assert resumed.checkpoint_sha256 == whole.checkpoint_sha256
    assert resumed.threshold == whole.threshold is not None
    assert resumed.facts["metrics"]["recall@1"] == whole.facts["metrics"]["recall@1"]
    assert not (resumed.path / "state.safetensors").exists()


def test_run_stopped_in_its_first_epoch_is_resumed_from_the_start(shapes: Path, tmp_path: Path) -> None:
    """Its folder holds no checkpoint yet; a new run into it is refused with the way to go on."""

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "step":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fit(shapes, tmp_path / "run", epochs=1, report=stop)
    with pytest.raises(OutputError) as caught:
        _fit(shapes, tmp_path / "run", epochs=1)
    assert str(caught.value).endswith("; name another folder, or continue it with --resume")
    with pytest.raises(RunError, match=r"^run: expected checkpoint.safetensors, got none"):
        load_run(tmp_path / "run")
    resumed = _fit(shapes, tmp_path / "run", epochs=1, resume=True)
    assert resumed.checkpoint_sha256 == _fit(shapes, tmp_path / "whole", epochs=1).checkpoint_sha256


def test_resume_refuses_changed_images_and_damaged_state(shapes: Path, tmp_path: Path) -> None:
    """A continued run must be one run."""
    images = tmp_path / "images"
    shutil.copytree(shapes, images)

    def stop(event: dict[str, Any]) -> None:
        if event["event"] == "epoch":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _fit(images, tmp_path / "run", report=stop)
    (images / "circle" / "00.png").unlink()
    with pytest.raises(RunError, match=r"^images of the run to resume: expected unchanged, got changed"):
        _fit(images, tmp_path / "run", resume=True)
    shutil.copy(shapes / "circle" / "00.png", images / "circle" / "00.png")
    state = tmp_path / "run" / "state.safetensors"
    state.write_bytes(state.read_bytes()[:-100])
    with pytest.raises(RunError, match=r"^state of an unfinished run: expected a whole file, got "):
        _fit(images, tmp_path / "run", resume=True)
    with pytest.raises(RunError, match=r"^run to resume: expected an unfinished run, got nothing there"):
        _fit(images, tmp_path / "nowhere", resume=True)


def test_refused_training_leaves_no_folder(shapes: Path, tmp_path: Path) -> None:
    """Settings, images and base network are all checked before the run folder exists."""
    bad = tmp_path / "bad"
    shutil.copytree(shapes, bad)
    (bad / "circle" / "x.png").write_text("text")
    lonely = tmp_path / "lonely"
    shutil.copytree(shapes, lonely)
    shutil.rmtree(lonely / "cross")
    (lonely / "cross").mkdir()
    shutil.copy(shapes / "cross" / "00.png", lonely / "cross" / "00.png")
    cases: list[tuple[type[LookalikeError], Path, dict[str, Any]]] = [
        (DataError, bad, {}),
        (DataError, lonely, {}),
        (DataError, tmp_path / "gone", {}),
        (DataError, shapes, {"validation": str(tmp_path / "gone")}),
        (DataError, shapes, {"validation": "classes:0.8"}),
        (UsageError, shapes, {"base": "resnet19"}),
        (UsageError, shapes, {"normalize": True, "margin": 3}),
    ]
    for error, images, values in cases:
        with pytest.raises(error):
            _fit(images, tmp_path / "run", **values)
        assert not (tmp_path / "run").exists()


def test_output_that_holds_anything_is_refused(shapes: Path, tmp_path: Path) -> None:
    """A finished run, foreign files, a file; an empty folder is taken."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "run").mkdir()
    _fit(shapes, tmp_path / "run", epochs=1)
    for name, got in (("notes", "files"), ("file", "a file"), ("run", "a run")):
        with pytest.raises(OutputError) as caught:
            _fit(shapes, tmp_path / name)
        message = f"run folder: expected a new or empty folder, got {got} ({tmp_path / name}); name another folder"
        assert str(caught.value) == message
    assert (tmp_path / "notes" / "a.txt").read_text() == "mine"


def test_loss_that_is_not_finite_stops_with_a_way_out(shapes: Path, tmp_path: Path) -> None:
    """First weights that overflow; the message names the setting and a smaller value."""
    weights = dict(build_base("conv4").module.state_dict())
    save_file(weights | {"blocks.0.weight": torch.full((32, 3, 3, 3), torch.inf)}, tmp_path / "w.safetensors")
    with pytest.raises(TrainingError) as caught:
        _fit(shapes, tmp_path / "run", weights=tmp_path / "w.safetensors")
    assert str(caught.value) == (
        "loss at step 1: expected a finite number, got nan;"
        " lower the learning rate (--set optimizer.learning_rate=0.0001), or use --normalize"
    )


def test_collapse_is_said_with_what_to_change(tmp_path: Path) -> None:
    """Blank images all land on one point; the loss alone would not say so."""
    for index in range(12):
        path = tmp_path / "blank" / "ab"[index % 2] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        info = PngInfo()
        info.add_text("number", str(index))  # other bytes, the same picture
        Image.new("RGB", (32, 32), "white").save(path, pnginfo=info)
    events: list[dict[str, Any]] = []
    _fit(tmp_path / "blank", tmp_path / "run", epochs=1, mining="batch_hard", report=events.append)
    assert [event["message"] for event in events if event["event"] == "hint"] == [
        "all images are nearly at one point, so the loss stays where it is; try --mining all or "
        "--set optimizer.learning_rate=0.0001"
    ]
    with pytest.raises(TrainingError, match=r"^collapse: all images have been at one point for 3 steps"):
        _fit(tmp_path / "blank", tmp_path / "guarded", epochs=9, mining="batch_hard", loop={"max_collapsed_steps": 3})


def test_tiny_classes_train_without_validation(shapes: Path, tmp_path: Path) -> None:
    """Three images a class leave nothing to hold out: that is said, and metrics and threshold are left out."""
    for shape in SHAPES:
        (tmp_path / "few" / shape).mkdir(parents=True)
        for index in range(3):
            shutil.copy(shapes / shape / f"{index:02d}.png", tmp_path / "few" / shape)
    events: list[dict[str, Any]] = []
    run = _fit(tmp_path / "few", tmp_path / "run", report=events.append)
    assert run.threshold is None
    assert "recall@1" not in run.facts["metrics"]
    assert run.facts["num_train_images"] == 12
    assert any(event["event"] == "warning" and "nothing was held out" in event["message"] for event in events)


def test_without_validation_every_image_is_trained_on(shapes: Path, tmp_path: Path) -> None:
    """Nothing is measured and there is no threshold; the report says what is missing."""
    run = _fit(shapes, tmp_path / "run", validation="none", epochs=1)
    assert (run.facts["num_train_images"], run.facts["num_validation_images"]) == (160, 0)
    assert run.threshold is None
    assert "recall@1" not in run.facts["metrics"]
    assert "Nothing was held out" in (run.path / "report.html").read_text()


def test_held_out_classes_are_not_trained_on(shapes: Path, tmp_path: Path) -> None:
    """Two of four classes are kept for validation."""
    run = _fit(shapes, tmp_path / "run", epochs=1, validation="classes:0.5")
    assert (run.facts["num_train_classes"], run.facts["num_validation_classes"]) == (2, 2)
    assert run.config.sampling.classes_per_batch == 2


@pytest.mark.parametrize("base", ["resnet18", "mobilenetv3_small_100", "vit_tiny_patch16_224"])
def test_timm_networks_train_and_read_back(shapes: Path, tmp_path: Path, base: str) -> None:
    """A short run over each architecture; the loaded branch gives the vectors that validation saw."""
    few = {"sampling": {"classes_per_batch": 3, "images_per_class": 2, "batches_per_epoch": 2}}
    run = _fit(shapes, tmp_path / "run", base=base, size=32, epochs=1, **few)
    again = load_run(run.path)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8))
    with torch.no_grad():
        vectors = run.branch(pixels)
        assert torch.equal(vectors, again.branch(pixels))
    assert vectors.shape == (3, 8)
    assert DISTANCES["euclidean"](vectors[0].numpy(), vectors[1].numpy()) > 0


def test_load_run_refuses_what_is_no_sound_run(shapes: Path, tmp_path: Path) -> None:
    """Each way a folder can be wrong, in one line that names it."""
    good = _fit(shapes, tmp_path / "good", epochs=1).path

    def spoiled(name: str) -> Path:
        return Path(shutil.copytree(good, tmp_path / name))

    (spoiled("bare") / "checkpoint.safetensors").unlink()
    (spoiled("foreign") / "config.yaml").unlink()
    (spoiled("odd") / "config.yaml").write_text("- 1\n- 2\n")
    (spoiled("future") / "config.yaml").write_text((good / "config.yaml").read_text() + "colour: red\n")
    cut = spoiled("cut") / "checkpoint.safetensors"
    cut.write_bytes(cut.read_bytes()[:-50])
    dim = spoiled("dim") / "config.yaml"
    dim.write_text(dim.read_text().replace("dim: 8", "dim: 9"))
    (spoiled("facts") / "facts.json").write_text("{")
    for name, message in (
        ("gone", "run: expected a folder that lookalike train wrote, got nothing there"),
        ("bare", "run: expected checkpoint.safetensors, got none"),
        ("foreign", "run: expected config.yaml, got none"),
        ("odd", "config.yaml of a run: expected readable settings, got list instead of settings"),
        ("future", "config.yaml of a run: expected readable settings, got setting 'colour': expected a known one"),
        ("cut", "checkpoint: expected a whole safetensors file, got "),
        ("dim", "checkpoint: expected embedding.weight [9, 1152], got [8, 1152]"),
        ("facts", "facts.json of a run: expected readable JSON, got "),
    ):
        with pytest.raises(RunError) as caught:
            load_run(tmp_path / name)
        assert str(caught.value).startswith(message)
        assert f"({tmp_path / name}" in str(caught.value)
        assert "\n" not in str(caught.value)


def test_learning_rate_rises_then_falls_to_zero() -> None:
    """Linear warm-up over 10 of 100 steps, then half a cosine."""
    config = make_config({"images": "x", "kind": "triplet", "optimizer": {"warmup_share": 0.1}}).optimizer
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] == pytest.approx(1e-4)
    assert rates[9] == rates[10] == pytest.approx(1e-3)
    assert rates[55] == pytest.approx(1e-3 * (1 + math.cos(math.pi / 2)) / 2)
    assert 0 < rates[99] < 1e-6
    flat = config.model_copy(update={"schedule": "constant"})
    assert learning_rate(99, 100, flat) == 1e-3
