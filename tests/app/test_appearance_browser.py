"""All text of all pages can be read, and has the room that it needs: in light and dark, at 1440 and at 900 pixels."""

import shutil

import pytest

from tests.support.appearance import PAGES, measured


@pytest.fixture(scope="module")
def home(embedded, tmp_path_factory):
    """The built-in corpus is ready, so that pages show what they have to show."""
    return shutil.copytree(embedded, tmp_path_factory.mktemp("browser") / "data")


@pytest.fixture(scope="module")
def page(browser):
    page = browser.new_page()
    yield page
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("place", PAGES)
def test_text_has_contrast_and_room(app, page, place):
    for view, found in measured(page, app, place).items():
        assert not found["contrast"], f"{view}: {found['contrast'][:5]}"
        assert not found["room"], f"{view}: {found['room'][:5]}"


@pytest.mark.slow
def test_the_measure_finds_what_is_wrong(page):
    """On a page with one fault of each kind."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 900, "height": 900})
    page.set_content("""<body style="background: #fff; margin: 0"><div class="stMain">
      <div class="stMainBlockContainer" style="width: 800px">
      <p style="color: #888">pale</p> <p style="color: #888; font-size: 24px">pale and large</p> <p style="opacity: .5">faded</p>
      <p style="background: #0072b2; color: #fff">good</p> <button disabled style="color: #999; background: #fff">off</button>
      <button disabled style="color: #fff; background: #eee">blank</button>
      <svg width="90" height="20"><text y="15" fill="#999">axis</text></svg> <input placeholder="hint" style="color: #111">
      <div style="width: 60px; overflow: hidden; white-space: nowrap">cut without a sign of it</div>
      <div style="width: 60px; overflow: hidden; white-space: nowrap; text-overflow: ellipsis">cut with an ellipsis</div>
      <div class="stHorizontalBlock" style="width: 300px"><div class="stColumn" style="width: 340px">wide</div></div>
      <div style="width: 950px">beyond</div></div></div></body>""")
    from tests.support.appearance import MEASURE

    found = page.evaluate(MEASURE)
    assert {row["text"] for row in found["contrast"]} == {"pale", "faded", "axis", "blank"}
    assert found["contrast"][0]["ratio"] < 4.5
    assert {(row["what"], row["text"]) for row in found["room"] if row["what"] != "scrolls sideways"} == {
        ("cut", "cut without a sign of it"),
        ("column beyond its row", "wide"),
        ("beyond the page", "beyond"),
    }
    assert any(row["what"] == "scrolls sideways" for row in found["room"])
