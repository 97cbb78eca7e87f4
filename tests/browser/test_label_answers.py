"""The page Label answers in a real browser: two annotators by keyboard alone, undo, reload, a key held down, a second window."""

from itertools import pairwise

import pytest

from core import annotation_lab as lab
from core.annotation.study import assignment
from core.workbench import Workbench
from tests.annotated import rating
from tests.browser.steps import no_error

PLACE = "document.querySelector('.lab')?.dataset.place"


@pytest.fixture(scope="module")
def frozen(home):
    return lab.freeze(
        Workbench(home), rating(6, 0, annotators=("Ann", "Ben"), per_item=2, title="Two by keyboard"), "main"
    )


def label(home, frozen, who, item):
    return lab.current(Workbench(home), frozen, who, item)


def enter(app, tab, who) -> str:
    """Opens the desk and returns the item on it."""
    tab.goto(f"{app}/label_answers?study=toy&annotator={who}")
    tab.locator(".lab-row.now").wait_for()
    at(tab, "")
    return tab.locator(".lab").get_attribute("data-item")


def at(tab, place: str) -> None:
    """Until that screen is drawn whole, buttons too."""
    tab.wait_for_function(
        f"""place => {PLACE} && {PLACE} === document.querySelector('.lab-ask')?.dataset.place && {PLACE}.startsWith(place)
        && document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'running'""", arg=place)  # fmt: skip


def press(tab, key: str, place: str) -> None:
    tab.keyboard.press(key)
    at(tab, place)


def test_two_annotators_label_by_keyboard_alone(app, home, frozen, tab):
    ann, ben = (assignment(frozen.study, "main")[who] for who in ("Ann", "Ben"))
    assert ann != ben and sorted(ann) == sorted(ben), "the same items in orders of their own"
    assert enter(app, tab, "Ann") == ann[0]
    assert not tab.locator(".lab b, .lab-passages b").count() and "<b>" in tab.locator(".lab-rows").inner_text()
    press(tab, "1", f"{ann[0]}/1")
    press(tab, "3", f"{ann[0]}/2")
    press(tab, "4", f"{ann[1]}/0")
    said = label(home, frozen, "Ann", ann[0])
    assert said.sentences == (("supported", "contradicted"),) and said.helpful == (4,)
    press(tab, "u", f"{ann[0]}/2")
    assert label(home, frozen, "Ann", ann[0]).helpful == (None,)
    press(tab, "5", f"{ann[1]}/0")
    press(tab, "s", f"{ann[2]}/0")
    press(tab, "2", f"{ann[2]}/1")
    tab.reload()
    tab.locator(".lab-row.now").wait_for()
    at(tab, f"{ann[2]}/1")
    press(tab, "x", f"{ann[3]}/0")
    assert label(home, frozen, "Ann", ann[2]).cannot_judge
    press(tab, "b", f"{ann[2]}/")
    press(tab, "n", f"{ann[3]}/0")
    no_error(tab)

    assert enter(app, tab, "Ben") == ben[0]
    for item, after in pairwise(ben):
        press(tab, "1", f"{item}/1")
        press(tab, "1", f"{item}/2")
        press(tab, "3", f"{after}/0")
    for key in "11":
        tab.keyboard.press(key)
        tab.wait_for_timeout(100)
        at(tab, f"{ben[-1]}/")
    tab.keyboard.press("3")
    tab.get_by_text("All items are labelled").wait_for()
    progress = {one.annotator: one.done for one in lab.progress(Workbench(home), frozen)}
    assert progress == {"Ann": 2, "Ben": 6}
    no_error(tab)


def test_words_search_and_comment_by_keyboard(app, home, frozen, tab):
    item = enter(app, tab, "Ann")
    tab.keyboard.press("e")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Enter")
    tab.locator(".lab .wrong").first.wait_for()
    tab.keyboard.press("Escape")
    tab.keyboard.press("f")
    tab.keyboard.type("evid")
    tab.locator(".gw-found").get_by_text("Evid", exact=True).first.wait_for()
    tab.keyboard.press("Escape")
    tab.keyboard.press("m")
    tab.keyboard.type("u 1 x: no keys in here")
    tab.keyboard.press("Enter")
    for _ in range(100):  # until it is saved
        said = label(home, frozen, "Ann", item)
        if said and said.comment:
            break
        tab.wait_for_timeout(200)
    assert said.comment == "u 1 x: no keys in here" and [(span.first, span.last) for span in said.spans] == [(1, 2)]
    assert said.sentences == ((None, None),) and not said.cannot_judge
    no_error(tab)


def test_a_key_held_down_or_struck_twice_answers_one_screen(app, home, frozen, tab):
    item = enter(app, tab, "Ann")
    tab.evaluate(
        """() => { for (let n = 0; n < 8; n++) document.body.dispatchEvent(new KeyboardEvent('keydown',
        { key: '2', code: 'Digit2', bubbles: true, cancelable: true, repeat: n > 3 })) }"""
    )
    at(tab, f"{item}/1")
    tab.wait_for_timeout(500)
    assert label(home, frozen, "Ann", item).sentences == (("partly", None),)


def test_a_second_window_says_so(app, home, frozen, tab, browser):
    item = enter(app, tab, "Ann")
    other = browser.new_page()
    try:
        assert enter(app, other, "Ann") == item
        press(other, "4", f"{item}/2")
        mine = assignment(frozen.study, "main")["Ann"]
        press(tab, "s", f"{mine[mine.index(item) + 1]}/")
        tab.keyboard.press("1")
        tab.get_by_text("You label in another window too").wait_for()
        assert label(home, frozen, "Ann", item).sentences[0][1] == "not_in_context"
    finally:
        other.close()


def test_a_phone_shows_answer_and_keys_without_sideways_scrolling(app, frozen, tab):
    tab.set_viewport_size({"width": 390, "height": 844})
    enter(app, tab, "Ann")
    assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    bar = tab.locator(".st-key-lab_bar").bounding_box()
    assert bar["y"] + bar["height"] <= 845 and bar["height"] < 330
    buttons = tab.locator(".st-key-lab_choices_sentence button, .st-key-lab_choices_helpful button")
    assert all(buttons.nth(n).bounding_box()["height"] >= 42 for n in range(buttons.count()))
