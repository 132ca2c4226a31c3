"""Weights in files beside a network: found however their file is named inside its folder, never read outside of it."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from artifact.errors import LookalikeError
from export.adoption.adopt import adopt
from tests.shared.foreign_networks import MEAN, STD, save, small_graph


def network(folder: Path, location: str, file: str | None, *, place: int | None = None, **entries: str) -> Path:
    """`net/n.onnx` whose weights are said to lie at a location and lie in a file, named from the folder `net`."""
    model = small_graph()
    tensor = model.graph.initializer[0]
    data = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    told = {"location": location} | ({} if place is None else {"offset": str(place), "length": str(len(data))})
    for key, value in (told | entries).items():
        tensor.external_data.add(key=key, value=value)
    (folder / "net").mkdir(exist_ok=True)
    if file is not None:
        (folder / "net" / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / "net" / file).write_bytes(bytes(place or 0) + data + (bytes(3) if place else b""))
    return save(model, folder / "net" / "n.onnx")


UMLAUT = "gewichte für ü.data"
HONEST = {
    "plain": ("n.data", "n.data"),
    "blank": ("my net.data", "my net.data"),
    "umlaut": (UMLAUT, UMLAUT),
    "accents apart": (unicodedata.normalize("NFD", UMLAUT), UMLAUT),
    "accents together": (UMLAUT, unicodedata.normalize("NFD", UMLAUT)),
    "here": ("./n.data", "n.data"),
    "folder": ("weights/n.data", "weights/n.data"),
    "folders with blanks": ("./my weights/part 1/n.data", "my weights/part 1/n.data"),
    "backslash": ("weights\\n.data", "weights/n.data"),
    "backslash here": (".\\weights\\n.data", "weights/n.data"),
    "up and down again": ("weights/../n.data", "n.data"),
    "own folder by name": ("../net/n.data", "n.data"),
    "signs": ("a:b#c%20d&e.data", "a:b#c%20d&e.data"),
    "hidden": (".n.data", ".n.data"),
    "dots in front": ("..n.data", "..n.data"),
}


@pytest.mark.parametrize("place", [None, 4096])
@pytest.mark.parametrize("case", list(HONEST))
def test_weights_in_the_folder_are_read_however_they_are_named(case: str, place: int | None, tmp_path: Path) -> None:
    """The artifact is the one of the same network in one file; the facts name the file from the folder."""
    location, file = HONEST[case]
    adopted = adopt(network(tmp_path, location, file, place=place), mean=MEAN, std=STD)
    inside = adopt(save(small_graph(), tmp_path / "n.onnx"), mean=MEAN, std=STD)
    assert adopted.model == inside.model
    assert list(adopted.manifest.training["external"]) == [file]


def test_an_absolute_path_and_links_inside_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a path leads counts: absolute into the folder, a link to a file in it, a folder that is a link itself."""
    inside = adopt(save(small_graph(), tmp_path / "n.onnx"), mean=MEAN, std=STD)
    absolute = network(tmp_path, str(tmp_path / "net/n.data"), "n.data")
    assert adopt(absolute, mean=MEAN, std=STD).model == inside.model
    (tmp_path / "net/link.data").symlink_to("n.data")
    link = network(tmp_path, "link.data", None)
    assert list(adopt(link, mean=MEAN, std=STD).manifest.training["external"]) == ["link.data"]
    (tmp_path / "elsewhere").symlink_to("net")
    assert adopt(tmp_path / "elsewhere/n.onnx", mean=MEAN, std=STD).model == inside.model
    monkeypatch.chdir(tmp_path / "net")
    assert adopt(Path("n.onnx"), mean=MEAN, std=STD).model == inside.model


def test_a_cache_of_a_model_hub(tmp_path: Path) -> None:
    """Network and weights are links into one folder of blobs: taken; a link that leads elsewhere is not."""
    network(tmp_path, "n.onnx_data", "blob-2")
    (tmp_path / "net/n.onnx").rename(tmp_path / "net/blob-1")
    snapshot = tmp_path / "snapshots/abc/onnx"
    snapshot.mkdir(parents=True)
    (snapshot / "n.onnx").symlink_to("../../../net/blob-1")
    (snapshot / "n.onnx_data").symlink_to("../../../net/blob-2")
    inside = adopt(save(small_graph(), tmp_path / "n.onnx"), mean=MEAN, std=STD)
    assert adopt(snapshot / "n.onnx", mean=MEAN, std=STD).model == inside.model
    (snapshot / "n.onnx_data").unlink()
    (tmp_path / "net/blob-2").rename(tmp_path / "secret")
    (snapshot / "n.onnx_data").symlink_to("../../../secret")
    with pytest.raises(LookalikeError, match=r"outside the network's folder: .*a symbolic link to"):
        adopt(snapshot / "n.onnx", mean=MEAN, std=STD)


def test_several_files_of_weights(tmp_path: Path) -> None:
    """Two tensors in two files, one of them in a folder."""
    model = small_graph()
    other = model.graph.initializer.add()
    other.CopyFrom(onnx.numpy_helper.from_array(np.arange(4, dtype=np.float32), "bias"))
    model.graph.node.append(onnx.helper.make_node("Add", ["vector", "bias"], ["out"]))
    model.graph.output[0].name = "out"
    inside = adopt(save(model, tmp_path / "n.onnx"), mean=MEAN, std=STD)
    (tmp_path / "net/b").mkdir(parents=True)
    for tensor, name in zip(model.graph.initializer, ("a.data", "b/b.data"), strict=True):
        (tmp_path / "net" / name).write_bytes(tensor.raw_data)
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=name)
    adopted = adopt(save(model, tmp_path / "net/n.onnx"), mean=MEAN, std=STD)
    assert adopted.model == inside.model
    assert list(adopted.manifest.training["external"]) == ["a.data", "b/b.data"]


def _link(folder: Path) -> None:
    (folder / "net/n.data").symlink_to("../secret")


def _linked_folder(folder: Path) -> None:
    (folder / "net/sub").symlink_to("..")


def _circle(folder: Path) -> None:
    (folder / "net/n.data").symlink_to("n.data")


def _fifo(folder: Path) -> None:
    os.mkfifo(folder / "net/n.data")


OUTSIDE = "outside the network's folder"
HOSTILE: dict[str, tuple[str, Callable[[Path], object] | None, str]] = {
    "up": ("../secret", None, OUTSIDE),
    "up with a backslash": ("..\\secret", None, OUTSIDE),
    "up from a folder": ("a/../../secret", None, OUTSIDE),
    "absolute": ("/etc/passwd", None, OUTSIDE),
    "absolute and missing": ("/no/such/file", None, OUTSIDE),
    "link": ("n.data", _link, rf"{OUTSIDE}: .*'n.data', a symbolic link to ../secret"),
    "folder that is a link": ("sub/secret", _linked_folder, rf"{OUTSIDE}: .*which leads to"),
    "sibling of the folder's name": ("../net2/n.data", None, OUTSIDE),
    "device": ("/dev/zero", None, OUTSIDE),
    "link to itself": ("n.data", _circle, "cannot be read: got 'n.data': "),
    "pipe": ("n.data", _fifo, "not a regular file: got 'n.data'"),
    "the folder": ("./", None, "not a regular file"),
    "nothing": ("", None, "is missing: expected the name of a file"),
    "a dot": (".", None, "is missing"),
    "zero byte": ("n\0.data", None, "cannot be read|is missing"),
    "very long": ("n" * 5000, None, "cannot be read: .*name too long"),
    "missing": ("n.data", None, "is missing: expected 'n.data' beside the network .*; copy it too"),
    "of Windows": ("C:\\models\\n.data", None, "is missing"),
    "of memory": ("*/_ORT_MEM_ADDR_/*", None, "is missing"),
}


@pytest.mark.parametrize("case", list(HOSTILE))
def test_what_lies_elsewhere_is_never_read(case: str, tmp_path: Path) -> None:
    """One line that says where it leads, and no byte of it in an artifact."""
    location, prepare, words = HOSTILE[case]
    (tmp_path / "secret").write_bytes(bytes(4096))
    (tmp_path / "net2").mkdir()
    (tmp_path / "net2/n.data").write_bytes(bytes(4096))
    file = network(tmp_path, location, None)
    if prepare is not None:
        prepare(tmp_path)
    with pytest.raises(LookalikeError, match=f"(?i){words}") as caught:
        adopt(file, mean=MEAN, std=STD)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"offset": "400"}, "too short: expected 3472 bytes, got 3072"),
        ({"offset": "9" * 18}, "too short"),
        ({"offset": "-1"}, "offset of weights 'weights': expected a whole number, got '-1'"),
        ({"offset": "9" * 30}, "offset of weights 'weights': expected a whole number"),
        ({"length": "100"}, r"damaged: expected 3072 bytes for \[192, 4\], got a length of 100"),
        ({"length": "99999999"}, r"damaged: expected 3072 bytes for \[192, 4\], got a length of 99999999"),
        ({"length": "1e3"}, "length of weights 'weights': expected a whole number, got '1e3'"),
    ],
)
def test_a_wrong_place_in_the_file_is_refused(entries: dict[str, str], words: str, tmp_path: Path) -> None:
    """Offsets and lengths beyond the file, below 0, or that do not fit the tensor."""
    with pytest.raises(LookalikeError, match=words):
        adopt(network(tmp_path, "n.data", "n.data", **entries), mean=MEAN, std=STD)
