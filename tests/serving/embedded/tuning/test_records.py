"""Records of measurements in the user's cache folder: what is believed, and which configs leave room for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import OutputError
from artifact.repository.tuning import INTRA_THREADS, Tuning, set_tuning
from serving.embedded.models import records
from serving.embedded.models.records import Record, in_words, record_for
from serving.embedded.options import ServerOptions
from tests.shared.tuned_models import KIND_CPU, config_of

DIGEST = "d" * 64
TUNING = Tuning(device="cpu", instances=2, threads=1, preferred_rows=4, record={"noisy": False})
IMPOSSIBLE: tuple[dict[str, Any], ...] = (
    {"instances": 0},
    {"instances": 5},
    {"instances": "x"},
    {"instances": None},
    {"threads": -1},
    {"threads": 5},
    {"preferred_rows": 0},
    {"preferred_rows": 65},
)


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "available_cores", lambda: 4)


@pytest.fixture
def record(cache: Path) -> Record:
    return Record(DIGEST, "cpu")


def test_record_gives_what_was_written(record: Record, cache: Path) -> None:
    """In one file of the cache folder, which is made."""
    assert record.read() is None
    record.write(TUNING)
    assert record.read() == Record(DIGEST, "cpu").read() == TUNING
    assert [file.parent for file in cache.rglob("*.json")] == [cache / "lookalike" / "tuning"]


def test_record_is_of_one_artifact_and_machine(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another digest, device, number of cores or onnxruntime has its own."""
    record.write(TUNING)
    assert Record("e" * 64, "cpu").read() is None
    assert Record(DIGEST, "cuda").read() is None
    monkeypatch.setattr("onnxruntime.__version__", "9.9")
    assert Record(DIGEST, "cpu").read() is None
    monkeypatch.undo()
    monkeypatch.setattr(records, "available_cores", lambda: 3)
    assert Record(DIGEST, "cpu").read() is None


@pytest.mark.parametrize(
    "spoilt",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b"\xff",
        b"[" * 100_000,
        {"format": 1},
        {"digest": "d"},
        {"machine": {}},
        {"chosen": {}},
        {"chosen": 7},
        {"record": 7},
        *({"chosen": {"instances": 2, "threads": 1, "preferred_rows": 4} | one} for one in IMPOSSIBLE),
    ],
    ids=str,
)
def test_damaged_record_is_none(record: Record, spoilt: bytes | dict[str, Any]) -> None:
    """Cut off, of another machine, or with numbers that cannot be: it is measured again."""
    record.write(TUNING)
    assert record.path is not None
    if isinstance(spoilt, bytes):
        record.path.write_bytes(spoilt)
    else:
        record.path.write_text(json.dumps(json.loads(record.path.read_text()) | spoilt))
    assert record.read() is None
    record.write(TUNING)
    assert record.read() == TUNING


def test_record_without_a_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where there is no home nothing is kept; where nothing can be written that is an error."""
    monkeypatch.setattr(records, "cache_folder", lambda kind: None)
    nowhere = Record(DIGEST, "cpu")
    nowhere.write(TUNING)
    assert nowhere.read() is None
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(records, "cache_folder", lambda kind: tmp_path / "file" / kind)
    with pytest.raises(OutputError):
        Record(DIGEST, "cpu").write(TUNING)


def test_record_counts_only_where_nobody_says_how(root: Path, cache: Path) -> None:
    """Instances, threads or a preferred size in the config, or in the options, are the operator's word."""

    def has_record(**options: Any) -> bool:
        return record_for(config, DIGEST, ServerOptions(**{"auto_tune": True} | options)) is not None

    config = config_of(root)
    assert has_record()
    assert not has_record(auto_tune=False)
    assert not has_record(threads=1)
    del config.instance_group[:]
    assert has_record(), "no group says as little as export's"
    for count, kind in ((2, 0), (1, KIND_CPU)):
        config = config_of(root)
        config.instance_group[0].count, config.instance_group[0].kind = count, kind
        assert not has_record(), (count, kind)
    config = config_of(root)
    config.parameters[INTRA_THREADS].string_value = "1"
    assert not has_record()
    config = config_of(root)
    config.dynamic_batching.preferred_batch_size.append(4)
    assert not has_record()
    config = config_of(root)
    config.dynamic_batching.max_queue_delay_microseconds = 1
    assert has_record(), "how long to wait is another question"
    config.ClearField("dynamic_batching")
    assert not has_record(), "requests are not to be merged"
    config = config_of(root)
    set_tuning(config, TUNING)
    del config.instance_group[:]
    assert not has_record()


def test_tuning_in_words() -> None:
    """One of each, several, and a device whose threads are nobody's choice."""
    assert in_words(TUNING) == "2 instances of 1 thread, batches of 4"
    assert in_words(Tuning(device="cpu", threads=8, preferred_rows=1)) == "1 instance of 8 threads, batches of 1"
    assert in_words(Tuning(device="cuda", preferred_rows=32)) == "1 instance, batches of 32"
