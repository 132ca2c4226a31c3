"""The deadline of reading a remote image: one option in every command that reads URLs out of tables."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("aiohttp", reason="the extra `http` brings it")

from artifact.images.limits import DEFAULT_LIMITS
from artifact.limit_options import DEFAULT_READ_TIMEOUT_S
from rows.images import ImageRef
from rows.tables import open_table
from serving.client.options import ScorerOptions
from serving.on_ray.parts import first_readable
from tests.shared.class_folders import write_noise
from tests.shared.command_line import Cli
from tests.shared.misbehaving_web import Web, misbehaving_web, served
from tests.shared.scored_folder import MODEL
from trainer.config.config import make_config, to_yaml, with_overrides
from trainer.loop.preparation import prepare

TOO_LATE = "cannot be read (nothing came within 0.3 s; --read-timeout waits longer)"


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    """Eight images, `image0` to `image7`, and what else there is."""
    with misbehaving_web() as web:
        for number in range(8):
            file = tmp_path / f"{number}.png"
            write_noise(file, number)
            web.ways[f"image{number}"] = served(file.read_bytes())
        yield web


def write_table(file: Path, web: Web, names: list[str]) -> Path:
    lines = [f"{web.url}{name},{number % 2}" for number, name in enumerate(names)]
    file.write_text("\n".join(["image,label", *lines]) + "\n")
    return file


def test_training_leaves_out_what_comes_too_late(web: Web, tmp_path: Path) -> None:
    """The deadline is the run's, for the sizes of the images and for the images; then the other ones are trained on."""
    table = write_table(tmp_path / "t.csv", web, [*(f"image{number}" for number in range(8)), "silent"])
    config = make_config({"images": table, "kind": "siamese", "validation": "none", "read_timeout_s": 0.3})
    events: list[dict[str, object]] = []
    began = time.monotonic()
    prepared = prepare(config, report=events.append)
    assert time.monotonic() - began < 10, "the server is silent for 20 seconds"
    assert prepared.num_images == 8
    assert TOO_LATE in str([event.get("message") for event in events])


def test_searching_and_rays_probe_have_the_deadline(web: Web, scored_cli: Cli) -> None:
    """A query that comes too late is told and left out; the probe takes the next image."""
    table = write_table(Path("urls.csv"), web, ["silent", "image0"])
    code, out, err = scored_cli("search", "i", table, *MODEL, "--read-timeout", "0.3", "-k", "1")
    assert (code, "image0" in out, TOO_LATE in err) == (3, True, True)
    probe = first_readable(open_table(table), DEFAULT_LIMITS.max_bytes, timeout_s=0.3)
    assert str(probe.path if probe else None).endswith("/image0")


def test_default_is_one() -> None:
    """Of a Scorer, of training and of a ref."""
    config = make_config({"images": "x", "kind": "siamese"})
    read = inspect.signature(ImageRef.read).parameters["timeout_s"].default
    assert {config.read_timeout_s, ScorerOptions.read_timeout_s, read} == {DEFAULT_READ_TIMEOUT_S}


def test_no_deadline_is_a_setting_that_is_saved(cli: Cli, tmp_path: Path) -> None:
    """`inf` by option and by --set goes into config.yaml and comes back; 0 is refused by its option's name."""
    config = make_config(with_overrides({"images": "x", "kind": "siamese"}, ["read_timeout_s=inf"]))
    assert config.read_timeout_s == float("inf")
    assert "read_timeout_s: .inf\n" in to_yaml(config)
    for command in (("train", "x", "--kind", "siamese", "--output", "o"), ("search", "i", "x")):
        code, _, err = cli(*command, "--read-timeout", "0")
        assert (code, "read_timeout_s: expected " in err) == (2, True), err
