"""Tags beside a table of vectors: what is kept of them, beside other programs, and what is no file of tags."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, OutputError, UsageError
from artifact.locks import FileLock
from rows.vectors import tags as module
from rows.vectors.lineage import Lineage
from rows.vectors.tags import Tags, tags_file

LINEAGE = Lineage(artifact="a", version=1, digest="d", space="s", distance="cosine", normalized=True)


def test_tags_file_lies_in_a_folder_or_beside_a_file(tmp_path: Path) -> None:
    """A folder of parts has it inside, under a name that is no part's; a file has it beside."""
    assert tags_file(tmp_path) == tmp_path / "tags.parquet"
    assert tags_file(tmp_path / "v.parquet") == tmp_path / "v.parquet.tags.parquet"


def test_tags_are_kept_in_order_with_their_time(tmp_path: Path) -> None:
    """id, tag, when in UTC; none twice; the lineage of the vectors in the metadata."""
    store = Tags(tmp_path / "t.parquet", LINEAGE)
    assert store.by_id() == {}
    assert store.add(["b", "a", "b"], " x ") == 2
    assert store.add(["a", "ü/日本", ""], "y") == 3
    assert store.add(["a"], "x") == 0
    assert store.by_id() == {"b": ["x"], "a": ["x", "y"], "ü/日本": ["y"], "": ["y"]}
    kept = parquet.read_table(tmp_path / "t.parquet")
    assert kept.schema.names == ["id", "tag", "when"]
    assert str(kept.schema.field("when").type) == "timestamp[ms, tz=UTC]"
    assert all(abs(datetime.now(UTC) - when) < timedelta(minutes=5) for when in kept["when"].to_pylist())
    assert Lineage.from_metadata(kept.schema.metadata, where="t") == LINEAGE


def test_tags_are_taken_from_the_ids_that_have_them(tmp_path: Path) -> None:
    """Another tag of the same id and the same tag of another id stay."""
    store = Tags(tmp_path / "t.parquet")
    store.add(["a", "b"], "x")
    store.add(["a"], "y")
    assert store.remove(["a", "c"], "x") == 1
    assert store.remove(["a"], "x") == 0
    assert store.by_id() == {"b": ["x"], "a": ["y"]}


def test_tags_keep_what_somebody_added(tmp_path: Path) -> None:
    """Further columns stay, ids that are numbers are read as text, and rows without a tag are no matter."""
    file = tmp_path / "t.parquet"
    parquet.write_table(
        pa.table({"who": ["me", "me"], "id": [7, None], "tag": ["x", "y"], "when": pa.nulls(2, pa.timestamp("us"))}),
        file,
    )
    store = Tags(file)
    assert store.by_id() == {"7": ["x"]}
    store.add(["8"], "x")
    assert store.by_id() == {"7": ["x"], "8": ["x"]}
    assert parquet.read_table(file)["who"].to_pylist() == ["me", "me", None]
    assert store.remove(["7"], "x") == 1
    assert parquet.read_table(file)["who"].to_pylist() == ["me", None]


@pytest.mark.parametrize("content", [b"no parquet", None])
def test_tags_never_write_over_another_file(tmp_path: Path, content: bytes | None) -> None:
    """A file that is no table of tags is told in one line and stays as it is."""
    file = tmp_path / "t.parquet"
    if content is None:
        parquet.write_table(pa.table({"id": ["a"]}), file)
    else:
        file.write_bytes(content)
    before = file.read_bytes()
    for act in (lambda: Tags(file).read(), lambda: Tags(file).add(["a"], "x"), lambda: Tags(file).remove(["a"], "x")):
        with pytest.raises(DataError):
            act()
    assert file.read_bytes() == before


@pytest.mark.parametrize("tag", ["", "  ", "a\nb", "a\0b", "x" * 201])
def test_tags_are_one_line_of_text(tmp_path: Path, tag: str) -> None:
    """Empty ones, long ones and those of several lines are refused, and nothing is written."""
    with pytest.raises(UsageError):
        Tags(tmp_path / "t.parquet").add(["a"], tag)
    assert not list(tmp_path.iterdir())


def test_tags_of_many_writers_are_all_kept(tmp_path: Path) -> None:
    """Stores of one file that write at the same time lose nothing."""
    file = tmp_path / "t.parquet"

    def write(number: int) -> None:
        for turn in range(5):
            Tags(file).add([f"{number}"], f"t{turn}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Tags(file).by_id() == {f"{number}": [f"t{turn}" for turn in range(5)] for number in range(6)}


def test_tags_give_up_on_who_never_lets_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that hangs with the lock is told after a while, in one line."""
    monkeypatch.setattr(module, "_WAIT_S", 0.0)
    with FileLock(tmp_path / ".t.parquet.lock", create=True), pytest.raises(OutputError, match="another program"):
        Tags(tmp_path / "t.parquet").add(["a"], "x")


def test_tags_of_a_folder_that_is_gone_are_told(tmp_path: Path) -> None:
    """Where nothing can be written, that is one line."""
    with pytest.raises(OutputError, match="cannot write the tags"):
        Tags(tmp_path / "gone" / "t.parquet").add(["a"], "x")


def test_taking_a_tag_leaves_rows_that_lack_something(tmp_path: Path) -> None:
    """A row without a tag, without an id or without both is not the one that is taken, whoever's it is."""
    file = tmp_path / "t.parquet"
    rows = {"id": ["a", "a", None, "b", None, "a"], "tag": ["x", None, "x", None, None, "y"]}
    parquet.write_table(pa.table(rows | {"when": pa.nulls(6, pa.timestamp("ms"))}), file)
    assert Tags(file).remove(["a", "z"], "x") == 1
    left = parquet.read_table(file)
    assert left.select(["id", "tag"]).to_pydict() == {name: values[1:] for name, values in rows.items()}
