"""URLs as people write them in cells: a scheme in capitals, a port that cannot be, a host that is cut; bad rows all."""

from __future__ import annotations

from pathlib import Path

import pytest

from artifact.errors import DataError
from artifact.images.decoding import ImageError
from rows.images import ImageRef
from rows.location import UrlError, locate, shown
from rows.tables import open_table
from serving.client.pictures import picture

MALFORMED = {
    "http://[::1/x.png": "not a URL (invalid IPv6 URL)",
    "http://[x]/x.png": "not a URL",
    "http://u:p[@h/x.png": "not a URL (invalid IPv6 URL)",
    "HTTPS://h:99999/x.png": "not a URL (port out of range 0-65535)",
    "http://h:80x/x.png": "not a URL (port could not be cast",
    "http://h:-1/x.png": "not a URL (port could not be cast",
    "ftp://h:abc/x.png": "not a URL (port could not be cast",
    "FTP://[x/y.png": "not a URL (invalid IPv6 URL)",
}


def reason(ref: ImageRef) -> str:
    """Why there is no image."""
    hash(ref)
    with pytest.raises(ImageError) as caught:
        ref.read(timeout_s=2)
    return str(caught.value)


def test_malformed_urls_are_bad_rows(tmp_path: Path) -> None:
    """In a CSV, a list, and as a caller gives them: the job goes on, and the reason names the text."""
    pytest.importorskip("aiohttp", reason="the extra `http` brings it")
    (tmp_path / "t.csv").write_text("\n".join(["image", *MALFORMED]))
    (tmp_path / "t.txt").write_text("\n".join(MALFORMED))
    for source in (tmp_path / "t.csv", tmp_path / "t.txt"):
        refs = [ref for batch in open_table(source).batches(3) for ref in batch.images["image"]]
        assert refs == [picture(text) for text in MALFORMED]
        for ref, (text, expected) in zip(refs, MALFORMED.items(), strict=True):
            assert expected in reason(ref)
            assert reason(ref).endswith(text)


def test_malformed_tables_are_one_line() -> None:
    """The table itself, and not one of its cells."""
    pytest.importorskip("aiohttp", reason="the extra `http` brings it")
    with pytest.raises(DataError, match=r"expected a path or a URL, got invalid IPv6 URL \(http://\[::1/t.csv\)"):
        open_table("http://[::1/t.csv")
    assert issubclass(UrlError, DataError)


@pytest.mark.parametrize("host", ["ex_ample..com", "a" * 64 + ".com"])
def test_hosts_that_cannot_be_are_no_urls(host: str) -> None:
    """Found when the host is looked up."""
    pytest.importorskip("aiohttp", reason="the extra `http` brings it")
    assert reason(picture(f"http://{host}/x.png")).startswith("cannot be read (not a URL): http://")


@pytest.mark.parametrize("prefix", ["file://", "FILE://", "File://localhost", "Local://"])
def test_schemes_ignore_case(prefix: str, tmp_path: Path) -> None:
    """Files of this machine, however they are written."""
    (tmp_path / "a.png").write_bytes(b"bytes")
    assert locate(f"{prefix}{tmp_path}/a.png") == tmp_path / "a.png"
    assert ImageRef.of_name(f"{prefix}{tmp_path}/a.png", tmp_path).read() == b"bytes"


def test_remote_schemes_ignore_case() -> None:
    """Elsewhere too; and what looks like a port is none where a scheme has names of its own."""
    assert locate("MEMORY://b/x") == locate("memory://b/x")
    assert str(locate("memory://arn:aws:s3:x/y")) == "memory://arn:aws:s3:x/y"


def test_places_keep_their_host() -> None:
    """Where the file system keeps it apart."""
    assert shown(locate("ftp://host:1/x.png")) == "ftp://host:1/x.png"
    assert shown(locate("ftp://host/x.png")) == "ftp://host/x.png"
    assert shown(Path("/a/b")) == "/a/b"


@pytest.mark.parametrize("text", ["http:/host/x.png", "S3:/bucket/x.png"])
def test_a_lost_slash_is_named(text: str, tmp_path: Path) -> None:
    """It is the name of a file, as it stands."""
    for folder in (tmp_path, Path()):
        words = reason(ImageRef.of_name(text, folder))
        assert f"a slash is missing: URLs begin with {text.partition('/')[0]}//" in words
