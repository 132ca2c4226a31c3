"""The explorer's page in the narrow window of a telephone: everything can be reached by touch."""

import pytest

from tests.shared.browser import Pages
from tests.shared.explored_digits import ExplorerPage
from tests.shared.served_digits import Asked

UNREACHED = """(() => {
    const isReached = (element) => {
        const box = element.getBoundingClientRect();
        const inside = box.left >= 0 && box.top >= 0 && box.right <= innerWidth && box.bottom <= innerHeight;
        const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
        return inside && element.contains(document.elementFromPoint(x, y));
    };
    const all = document.querySelectorAll("header button, header input, .tools button, #tabs button");
    const seen = [...all].filter((element) => element.checkVisibility());
    return [seen.length, seen.filter((element) => !isReached(element)).map((each) => each.id || each.textContent)];
})()"""


@pytest.mark.parametrize(("width", "height"), [(390, 844), (360, 640), (740, 360)])
def test_explorer_in_a_narrow_window_is_reached_by_touch(pages: Pages, served: Asked, width: int, height: int) -> None:
    """No button of the header, the tools or the tabs is outside the window or below another."""
    opened = ExplorerPage(pages, served.address, width=width, height=height, has_touch=True)
    assert opened.ask(UNREACHED) == [18, []]
    opened.page.tap("[data-tool=lasso]")
    assert opened.ask(UNREACHED) == [21, []]
    for button in ("#show-pictures", "#theme", "#open-left"):
        opened.page.tap(button)
    assert opened.ask("a.overlay.showPictures")
    assert opened.ask("document.documentElement.dataset.theme") == "dark"
    opened.page.tap("#legend .label >> nth=0")
    assert 0 < len(opened.shown()) < 60
    opened.page.tap("#open-left")
    opened.page.tap("#open-help")
    opened.page.tap("#close-help")
    with opened.page.expect_file_chooser():
        opened.page.tap("#add-pictures")
