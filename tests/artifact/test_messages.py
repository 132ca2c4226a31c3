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


def test_an_error_is_told_anew_by_who_knows_more() -> None:
    """The same class and facts with another place and remedy; what is not given stays, and so does the first error."""

    class _OwnError(DataError):
        def __init__(self) -> None:
            super().__init__("column", expected="text", got="numbers", where="t.csv", mend="mend it")

    error = _OwnError()
    other = error.but(where="row 3", mend="write text")
    assert (type(other), str(other)) == (_OwnError, "column: expected text, got numbers (row 3); write text")
    assert str(error.but(what="label column")) == "label column: expected text, got numbers (t.csv); mend it"
    assert str(error) == "column: expected text, got numbers (t.csv); mend it"
