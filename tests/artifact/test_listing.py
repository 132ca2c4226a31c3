"""Lists of names in messages."""

from artifact.listing import joined, listed, quoted


def test_the_first_names_are_listed_and_the_others_counted() -> None:
    """Between names a comma, between clauses a semicolon; a total stands for names that nobody made."""
    names = [*"abcdefg"]
    assert listed(names[:5]) == "a, b, c, d, e"
    assert listed(names) == "a, b, c, d, e and 2 more"
    assert listed(names, limit=2, separator="; ") == "a; b; and 5 more"
    assert listed(names, limit=2, separator=" + ") == "a + b + and 5 more"
    assert listed(names[:1], limit=3, total=2001) == "a and 2,000 more"
    assert listed([]) == ""
    assert quoted(["a b", "c\n"]) == r"'a b', 'c\n'"


def test_all_names_are_joined() -> None:
    """As in a sentence."""
    assert [joined([*"abc"[:number]]) for number in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
