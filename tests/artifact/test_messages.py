"""Messages are one line and of bounded length, whatever stands in the file they speak of."""

from __future__ import annotations

from artifact.errors import DataError, bounded


def test_messages_are_one_short_line() -> None:
    """Both ends of what is long are shown, and how long it is; the facts themselves stay whole."""
    long = "a" + "b\n" * 50_000 + "c"
    error = DataError("column", expected=long, got=long, where="t.csv", mend="mend it")
    assert len(str(error)) < 5000
    assert len(str(error).splitlines()) == 1
    assert str(error).endswith("c (t.csv); mend it")
    assert "[... 100002 characters ...]" in str(error)
    assert error.got == long


def test_short_texts_stay_as_they_are() -> None:
    """To the last letter that fits."""
    for size in (0, 1, 99, 100):
        assert bounded("x" * size, 100) == "x" * size
    assert len(bounded("x" * 101, 100)) == 100
