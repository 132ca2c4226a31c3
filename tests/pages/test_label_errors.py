"""The page of label errors: what stands beside a suspect, escaped, with and without pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pages.label_errors import Near, Suspect, write_label_errors_page

FACTS: dict[str, Any] = {
    "source": "v",
    "label": "kind",
    "num_rows": 1234,
    "num_suspected": 5,
    "expected": 6.4,
    "note": None,
    "planted": 1000,
    "planted_suspected": 0.8,
    "proposed_right": 0.7,
    "lineage": None,
    "has_pictures": False,
}


def _suspect(name: str) -> Suspect:
    return Suspect(
        name=name,
        data=None,
        given="<b>cat</b>",
        proposed="dog",
        confidence=0.93,
        of_given=[Near(name="cat 1", data="data:image/png;base64,AAAA", distance=1.5)],
        of_proposed=[Near(name="dog 1", data=None, distance=0.25)],
    )


def test_page_shows_suspects_with_both_classes(tmp_path: Path) -> None:
    """Labels, confidence and distances; ids in place of pictures; what is not shown is counted."""
    page = tmp_path / "p.html"
    write_label_errors_page(page, [_suspect("a/ü.png")], [("<b>cat</b>", "dog", 3)], facts=FACTS)
    text = page.read_text(encoding="utf-8")
    for part in (
        "5 of 1,234 labels",
        "labelled &lt;b&gt;cat&lt;/b&gt;",
        "perhaps dog",
        "93%",
        "0.25",
        "a/ü.png",
        '<figure class="other">',
        '<figure class="same">',
        "data:image/png;base64,AAAA",
        "4 more are not shown",
        "No pictures are known",
        "<td>&lt;b&gt;cat&lt;/b&gt;</td><td>dog</td><td>3</td>",
    ):
        assert part in text, part
    assert "<b>cat" not in text


def test_page_of_labels_that_cannot_be_judged_says_so(tmp_path: Path) -> None:
    """The note stands in place of the figures."""
    page = tmp_path / "p.html"
    facts = FACTS | {"num_suspected": 0, "expected": None, "note": "no label is suspected: <why>"}
    write_label_errors_page(page, [], [], facts=facts)
    text = page.read_text(encoding="utf-8")
    assert "Which of 1,234 labels are wrong is not known" in text
    assert "No label is suspected: &lt;why&gt;." in text
    assert "planted to see" not in text
    assert "by their confidences" not in text


def test_page_of_no_suspects_says_none(tmp_path: Path) -> None:
    """No table of classes, no rows."""
    page = tmp_path / "p.html"
    write_label_errors_page(page, [], [], facts=FACTS | {"num_suspected": 0, "has_pictures": True})
    text = page.read_text(encoding="utf-8")
    assert "<p>None.</p>" in text
    assert "Which classes" not in text
    assert "No pictures" not in text
