"""What the page's server answers, by raw requests: beside plain loops, files as they lie, and what is sent wrongly."""

import io
import json
import shutil
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from analysis.datasets.maps.laying_out import lay_out, vectors_used
from analysis.datasets.maps.layout import Layout
from artifact.images.limits import Limits
from artifact.images.preprocessing import Preprocessing, load_pixels
from rows.vectors.table import VectorTable
from tests.shared.served_digits import Asked, scored_digits, serving
from tests.shared.tiny_artifact import linear_vectors

SECRET = b"secret of somebody else"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scored digits, of which the last three files are others by now: a TIFF, text, a link to a text outside."""
    folder = scored_digits(tmp_path_factory.mktemp("served"))
    ids = parquet.read_table(folder / "v" / "part-00000.parquet")["id"].to_pylist()
    tiff, text, link = (folder / "images" / name for name in ids[-3:])
    with Image.open(tiff) as picture:
        picture.save(tiff.with_suffix(".tiff"))
    tiff.with_suffix(".tiff").rename(tiff)
    text.write_bytes(SECRET)
    outside = folder / "outside.txt"
    outside.write_bytes(SECRET)
    link.unlink()
    link.symlink_to(outside)
    return folder


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Asked]:
    """A server of them."""
    with serving(folder) as asked:
        yield asked


def frames(body: bytes) -> list[bytes]:
    """The parts of an answer of several."""
    parts, at = [], 0
    while at < len(body):
        (length,) = struct.unpack_from("<I", body, at)
        parts.append(body[at + 4 : at + 4 + length])
        at += 4 + length
    return parts


def pixels_of(data: bytes) -> np.ndarray:
    """uint8 [h, w, 3] of an encoded picture."""
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def png(pixels: np.ndarray) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_server_gives_blocks_as_the_page_reads_them(server: Asked) -> None:
    """Places fill a square from -1 to 1, ids are in table order, a column is codes and names."""
    places = np.frombuffer(server.get("blocks/places").body, "<f4").reshape(-1, 2)
    assert len(places) == server.table.num_rows
    assert np.abs(places).max() == pytest.approx(1)
    assert server.get("blocks/ids").body.decode().split("\0") == server.table.ids
    names = server.get("blocks/names-0").json
    codes = np.frombuffer(server.get("blocks/column-0").body, np.uint8)
    assert [names[code] for code in codes] == server.table.column("label").to_pylist()


@pytest.mark.parametrize("row", [0, 17, 59])
def test_server_gives_the_neighbours_of_a_row(server: Asked, row: int) -> None:
    """The nearest others, as a plain loop finds them."""
    matrix = server.table.matrix.astype(np.float64)
    apart = np.linalg.norm(matrix - matrix[row], axis=1)
    apart[row] = np.inf
    found = server.get(f"neighbours/{row}").json
    assert [each["row"] for each in found] == np.argsort(apart, kind="stable")[:10].tolist()
    np.testing.assert_allclose([each["distance"] for each in found], np.sort(apart)[:10], rtol=1e-5)


def test_server_gives_thumbnails_in_the_order_asked(server: Asked, folder: Path) -> None:
    """Each is its row's picture; a row without one has an empty part."""
    last = server.table.num_rows - 1
    found = frames(server.get(f"thumbnails?rows=5.{last}.2").body)
    assert (len(found), found[1]) == (3, b"")
    for data, row in ((found[0], 5), (found[2], 2)):
        original = pixels_of((folder / "images" / server.table.ids[row]).read_bytes())
        assert np.abs(pixels_of(data).astype(float) - original).mean() < 8


def test_server_gives_pictures_as_they_are_or_as_png(server: Asked, folder: Path) -> None:
    """A PNG is the file to the byte; a TIFF, which browsers do not read, is a PNG of the same pixels."""
    answer = server.get("pictures/3")
    assert answer.headers["content-type"] == "image/png"
    assert answer.body == (folder / "images" / server.table.ids[3]).read_bytes()
    row = server.table.num_rows - 3
    answer = server.get(f"pictures/{row}")
    assert (folder / "images" / server.table.ids[row]).read_bytes()[:2] in (b"II", b"MM")
    assert answer.headers["content-type"] == "image/png"
    original = pixels_of((folder / "images" / server.table.ids[row]).read_bytes())
    np.testing.assert_array_equal(pixels_of(answer.body), original)


def test_server_gives_nothing_that_is_no_image(server: Asked) -> None:
    """A text with the name of an image, or a link to one, is never sent: one line says that it is no image."""
    for row in (server.table.num_rows - 2, server.table.num_rows - 1):
        answer = server.get(f"pictures/{row}")
        assert answer.status == 422
        assert SECRET not in answer.body
        assert len(answer.json["error"].splitlines()) == 1


@pytest.mark.parametrize(
    "path",
    [
        "pictures/../../outside.txt",
        "pictures/..%2f..%2foutside.txt",
        "pictures/%2e%2e/%2e%2e/outside.txt",
        "pictures//etc/passwd",
        "pictures/%2fetc%2fpasswd",
        "pictures/-1",
        "pictures/60",
        "pictures/1e1",
        "pictures/1%00",
        "pictures/%D9%A1",
        "pictures/99999999999999999999999999",
        "neighbours/60",
        "neighbours/x",
        "thumbnails",
        "thumbnails?rows=",
        "thumbnails?rows=1.x",
        "thumbnails?rows=../1",
        "blocks/column-9",
        "blocks/names-",
        "blocks/../page.html",
        "blocks/column-%D9%A1",
        "findings/nothing",
        "outside.txt",
        "static/../outside.txt",
    ],
)
def test_server_takes_rows_and_no_paths(server: Asked, path: str) -> None:
    """Whatever stands where a row or a name of the server's own is expected, nothing is read for it."""
    answer = server.get(path)
    assert answer.status == 404, answer
    assert SECRET not in answer.body
    assert b"root:" not in answer.body


def test_server_bounds_the_thumbnails_of_a_request(server: Asked) -> None:
    """More than it makes at once is refused."""
    assert server.get(f"thumbnails?rows={'.'.join(['1'] * 129)}").status == 400


def test_server_places_a_picture_where_the_map_does(server: Asked, folder: Path) -> None:
    """A new picture's vector is the network's, its place that of the projection, its neighbours a plain loop's."""
    picture = png(np.random.default_rng(5).integers(0, 255, (40, 30, 3), np.uint8))
    found = server.post("embed", picture).json
    preprocessing = Preprocessing(height=8, width=8, fit="stretch", mean=(0.5,) * 3, std=(0.5,) * 3)
    vector = linear_vectors(load_pixels(picture, preprocessing)[None]).astype(np.float64)[0]
    matrix = server.table.matrix.astype(np.float64)
    apart = np.linalg.norm(matrix - vector, axis=1)
    assert [each["row"] for each in found["neighbours"]] == np.argsort(apart)[:10].tolist()
    np.testing.assert_allclose([each["distance"] for each in found["neighbours"]], np.sort(apart)[:10], rtol=1e-4)
    # the map is an affine map of the vectors, so it is known from the rows' places
    places = np.frombuffer(server.get("blocks/places").body, "<f4").reshape(-1, 2).astype(np.float64)
    ones = np.ones((len(matrix), 1))
    affine = np.linalg.lstsq(np.hstack([matrix, ones]), places, rcond=None)[0]
    np.testing.assert_allclose([found["x"], found["y"]], np.append(vector, 1) @ affine, atol=1e-4)


def test_server_places_a_rows_own_picture_on_it(server: Asked, folder: Path) -> None:
    """The picture of a row lands on its point, and the row is its nearest."""
    places = np.frombuffer(server.get("blocks/places").body, "<f4").reshape(-1, 2)
    found = server.post("embed", (folder / "images" / server.table.ids[4]).read_bytes()).json
    np.testing.assert_allclose([found["x"], found["y"]], places[4], atol=1e-5)
    assert (found["neighbours"][0]["row"], found["neighbours"][0]["distance"]) == (4, pytest.approx(0, abs=1e-5))


def test_server_places_a_picture_among_its_neighbours(folder: Path, tmp_path: Path) -> None:
    """On a map that is no projection a row's own picture is on its point, another within its neighbours' places."""
    table = VectorTable.open(folder / "v")
    by_neighbours = {"axes": None, "method": "umap", "distance": "euclidean", "recall": 1.0}
    replace(lay_out(table), vectors=vectors_used(table), **by_neighbours).save(tmp_path / "map.parquet")
    with serving(folder, layout=Layout.open(tmp_path / "map.parquet")) as server:
        places = np.frombuffer(server.get("blocks/places").body, "<f4").reshape(-1, 2)
        own = server.post("embed", (folder / "images" / table.ids[4]).read_bytes()).json
        np.testing.assert_allclose([own["x"], own["y"]], places[4], atol=1e-5)
        other = server.post("embed", NOISE).json
        around = places[[each["row"] for each in other["neighbours"]]]
        assert (around.min(axis=0) <= [other["x"], other["y"]]).all()
        assert ([other["x"], other["y"]] <= around.max(axis=0)).all()


NOISE = png(np.random.default_rng(0).integers(0, 255, (40, 40, 3), np.uint8))


@pytest.mark.parametrize(
    "content", [b"", b"text", SECRET * 100, b"\x89PNG\r\n\x1a\n" + b"\0" * 50, NOISE[: len(NOISE) // 2]]
)
def test_server_says_why_a_picture_is_none(server: Asked, content: bytes) -> None:
    """One line, and the next picture is taken."""
    answer = server.post("embed", content)
    assert answer.status == 422
    assert len(answer.json["error"].splitlines()) == 1
    assert server.post("embed", png(np.zeros((9, 9, 3), np.uint8))).status == 200


def test_server_refuses_a_large_upload_before_it_comes(server: Asked) -> None:
    """What says that it is larger than a picture may be is refused while nothing of it was sent."""
    head = (
        f"POST /{server.token}/embed HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {server.origin}\r\n"
        f"Content-Length: {1 << 40}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(head.encode())
        assert connection.recv(4096).split()[1] == b"413"


def test_server_counts_an_upload_of_unknown_length(folder: Path) -> None:
    """Chunks are counted as they come, and a picture that is small enough is taken in chunks too."""
    with serving(folder, limits=Limits(max_bytes=1000)) as server:
        for content, status in ((b"x" * 2000, 413), (png(np.zeros((9, 9, 3), np.uint8)), 200)):
            parts = [content[at : at + 400] for at in range(0, len(content), 400)]
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])
            head = (
                f"POST /{server.token}/embed HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {server.origin}\r\n"
                "Transfer-Encoding: chunked\r\n\r\n"
            )
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                connection.sendall(head.encode() + chunks)
                assert int(connection.recv(4096).split()[1]) == status


def test_server_looks_for_findings_when_asked(server: Asked) -> None:
    """Tabs that arise for one table with labels, each as the page reads it."""
    facts = server.get("").body.decode().split('id="facts">')[1].split("</script>")[0]
    tabs = [tab["name"] for tab in json.loads(facts)["findings"]]
    assert tabs == ["duplicates", "outliers", "labels"]
    found = server.get("findings/outliers").json
    assert found["num_found"] == server.table.num_rows
    assert {row for each in found["rows"] for row in each["rows"]} <= set(range(server.table.num_rows))


def tags_of(server: Asked) -> list[str]:
    """The tags of each row, "" for none."""
    names, _, codes = frames(server.get("tags").body)
    told = [*json.loads(names), ""]
    return [told[code] for code in np.frombuffer(codes, "<u4")]


def test_server_keeps_tags_beside_the_vectors(folder: Path) -> None:
    """Tags are in a Parquet file beside the vectors, come with the next start, and can be taken again."""
    with serving(folder) as server:
        assert set(tags_of(server)) == {""}
        assert server.post("tags", {"rows": [1, 3], "tag": " zwei Wörter "}).status == 200
        assert server.post("tags", {"rows": [3], "tag": "b"}).status == 200
        ids = server.table.ids
    kept = parquet.read_table(folder / "v" / "tags.parquet")
    assert kept.select(["id", "tag"]).to_pylist() == [
        {"id": ids[1], "tag": "zwei Wörter"},
        {"id": ids[3], "tag": "zwei Wörter"},
        {"id": ids[3], "tag": "b"},
    ]
    with serving(folder) as server:
        found = tags_of(server)
        assert (found[1], found[3], found[0]) == ("zwei Wörter", "zwei Wörter, b", "")
        assert server.post("tags", {"rows": [1, 3], "tag": "zwei Wörter", "take": True}).status == 200
        assert (tags_of(server)[1], tags_of(server)[3]) == ("", "b")
    (folder / "v" / "tags.parquet").unlink()


def test_server_loses_no_tags_of_two_at_once(folder: Path) -> None:
    """Two servers of one table and several pages at once: every tag is kept."""
    with serving(folder) as one, serving(folder, has_model=False) as other:
        statuses: list[int] = []

        def give(server: Asked, number: int) -> None:
            statuses.append(server.post("tags", {"rows": [number, number + 20], "tag": f"t{number}"}).status)

        threads = [threading.Thread(target=give, args=((one, other)[number % 2], number)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 16
        assert tags_of(one) == tags_of(other)
        found = tags_of(one)
    for number in range(16):
        assert f"t{number}" in found[number].split(", ")
        assert f"t{number}" in found[number + 20].split(", ")
    (folder / "v" / "tags.parquet").unlink()


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"not json", 400),
        (b"[]", 400),
        ({"rows": [], "tag": "x"}, 400),
        ({"rows": [60], "tag": "x"}, 400),
        ({"rows": [-1], "tag": "x"}, 400),
        ({"rows": [True], "tag": "x"}, 400),
        ({"rows": ["../x"], "tag": "x"}, 400),
        ({"rows": [1], "tag": 5}, 400),
        ({"rows": [1], "tag": "x", "take": "yes"}, 400),
        ({"rows": [1], "tag": "  "}, 422),
        ({"rows": [1], "tag": "a\nb"}, 422),
        ({"rows": [1], "tag": "x" * 201}, 422),
    ],
)
def test_server_refuses_odd_tags(server: Asked, asked: bytes | dict[str, object], status: int) -> None:
    """What is no tag of rows is told in one line, and nothing is written."""
    answer = server.post("tags", asked)
    assert answer.status == status
    assert len(answer.json["error"].splitlines()) == 1
    assert not (Path(server.table.source) / "tags.parquet").exists()


def test_server_tags_the_rows_of_several_tables_beside_each(folder: Path, tmp_path: Path) -> None:
    """A row's tag lies beside the table that it is of, a file's under the file's name."""
    shutil.copy(folder / "v" / "part-00000.parquet", tmp_path / "more.parquet")
    shutil.copytree(folder / "models", tmp_path / "models")
    shutil.copy(folder / "v" / "part-00000.parquet", tmp_path / "v.parquet")
    with serving(tmp_path, tables=("v.parquet", "more.parquet")) as server:
        count = server.table.num_rows
        assert server.post("tags", {"rows": [2, count + 5], "tag": "x"}).status == 200
        found = tags_of(server)
        assert [row for row, tag in enumerate(found) if tag] == [2, count + 5]
        assert server.get(f"pictures/{count}").status == 404  # no job says which images a file is of
    assert len(parquet.read_table(tmp_path / "v.parquet.tags.parquet")) == 1
    assert len(parquet.read_table(tmp_path / "more.parquet.tags.parquet")) == 1


def test_server_without_a_model_takes_no_pictures(folder: Path) -> None:
    """The page has no place to drop one on, and what is sent all the same is refused."""
    with serving(folder, has_model=False) as server:
        assert b'id="add-pictures"' not in server.get("").body
        assert server.post("embed", png(np.zeros((9, 9, 3), np.uint8))).status == 404


def test_server_ends_a_slow_upload(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who promises a picture and sends nothing is answered after a while, and the server goes on."""
    from pages.explorer import server as module

    monkeypatch.setattr(module, "_UPLOAD_S", 0.05)
    with serving(folder) as server:
        head = (
            f"POST /{server.token}/embed HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nOrigin: {server.origin}\r\n"
            "Content-Length: 100\r\n\r\nabc"
        )
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(head.encode())
            assert connection.recv(4096).split()[1] == b"408"
        assert server.get("").status == 200
