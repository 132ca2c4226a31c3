"""Messages are one line and of bounded length, whatever stands in the file they speak of."""

from __future__ import annotations

import pytest

from artifact.errors import DataError, bounded, printable


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, até 日本 100 %", None),
        ("a\u00a0b\u3000c", None),
        ("\U0001f468\u200d\U0001f469 \u0646\u200c\u0645", None),
        ("a\x1b[31mb\x07", "a\\x1b[31mb\\x07"),
        ("\x9b2J", "\\x9b2J"),
        ("a\r\nb\u2028c\x85", "a\\r\\nb\\u2028c\\x85"),
        ("\u202egnp.exe\u2066\u061c", "\\u202egnp.exe\\u2066\\u061c"),
        ("a\u200bb\ufeff\U000e0041", "a\\u200bb\\ufeff\\U000e0041"),
        ("\udcff\x00", "\\udcff\\x00"),
    ],
)
def test_text_of_others_steers_no_terminal(text: str, shown: str | None) -> None:
    """Controls, line breaks, marks of direction and what cannot be seen or written are escapes; letters stay."""
    assert printable(text) == (text if shown is None else shown)
    error = DataError("column", got=text, where=text)
    assert str(error).encode()
    assert len(str(error).splitlines()) == 1
    assert not any(ord(one) < 32 or one in "\x9b\u202e\u2066" for one in str(error))
    assert error.got == text


def test_line_of_any_length_is_bounded() -> None:
    """Names of a request stand in what went wrong, and may be megabytes."""
    assert len(str(DataError("\x1b" * 10_000_000))) < 300_000
