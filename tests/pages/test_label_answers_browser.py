"""The page Label answers in a real browser: two annotators by keyboard alone, undo, reload, a key held down, a second window,
an app that is killed while people label, and what a screen reader finds."""

import random
import re
import time
from itertools import pairwise

import pytest

from app.ui.labelling import questions
from core.annotation import latest, rounds, saving, standing, versions
from core.annotation.assignment import assignment
from core.annotation.drawing import Candidate, draw
from core.annotation.labels import blank
from core.annotation.study import Passage
from core.workbench import Workbench
from tests.support.annotated import pairs, rating
from tests.support.appearance import MEASURE, settle
from tests.support.browser import started
from tests.support.steps import no_error

PLACE = "document.querySelector('.lab')?.dataset.place"
PAUSE_S = 1.2  # a little longer than the pause after which keys answer again
STRIKE = """() => new MutationObserver((_, watch) => {
    if (!document.querySelector('.lab.turned')) return
    watch.disconnect()
    document.body.dispatchEvent(new KeyboardEvent('keydown', { key: '1', code: 'Digit1', bubbles: true, cancelable: true }))
    window.struck = true
}).observe(document.body, { subtree: true, childList: true, attributeFilter: ['class'] })"""  # a key as soon as another question stands
BUTTON = "document.querySelector('[class*=st-key-give]')?.className"  # another one in each window and after each start


@pytest.fixture(scope="module")
def frozen(home):
    return rounds.freeze(Workbench(home), rating(6, 0, annotators=("Ann", "Ben"), per_item=2, title="Two by keyboard"), "main")


def long(name: str, items: int, **changes):
    """A study of answers of fourteen sentences over three long passages."""
    text = " ".join(f"Sentence {n} says that part {n} of it holds." for n in range(14))
    passages = tuple(
        Passage(document_id=f"d{n}", start=0, end=1, text=f"Passage {n}. {'It goes on and on. ' * 40}") for n in range(3)
    )
    found = [Candidate(f"answer {n}", "system", "toy", f"What is {n}?", text, passages, ()) for n in range(items)]
    return rating(1, 0, id=name, annotators=("Ann", "Ben"), per_item=2).model_copy(
        update={"items": draw(found, items), **changes}
    )


@pytest.fixture(scope="module")
def disputed(home):
    """Two annotators who differ in the tenth sentence of each answer and in nothing else."""
    workbench = Workbench(home)
    main = rounds.freeze(workbench, long("differ", 2), "main")
    for who, tenth in (("Ann", "supported"), ("Ben", "contradicted")):
        for item in main.study.items:
            given = [*["supported"] * 9, tenth, *["supported"] * 4]
            said = {"sentences": (tuple(given),), "helpful": (4,), "comment": f"because {tenth}"}
            saving.label(workbench, main, blank(main.study, "main", item, who).model_copy(update=said))
    return rounds.open_adjudication(workbench, "differ", ["Judge"])


def label(home, frozen, who, item):
    return latest.current(Workbench(home), frozen, who, item)


def enter(app, tab, who, study="toy") -> str:
    """Opens the desk and returns the item on it."""
    tab.goto(f"{app}/label_answers?study={study}&annotator={who}")
    tab.locator(".lab .now").wait_for()
    at(tab, "")
    return tab.locator(".lab").get_attribute("data-item")


def at(tab, place: str) -> None:
    """Until that screen is drawn whole, buttons too, whose script the browser fetches by itself."""
    tab.wait_for_function(
        f"""place => {PLACE} && {PLACE} === document.querySelector('.lab-ask')?.dataset.place && {PLACE}.startsWith(place)
        && document.querySelector('[class*=st-key-lab_choices_] button')
        && document.querySelector('[data-testid=stApp]').dataset.testScriptState !== 'running'
        && !document.querySelector('.lab.turned')""",
        arg=place,
    )


def press(tab, key: str, place: str) -> None:
    tab.keyboard.press(key)
    at(tab, place)


@pytest.mark.slow
def test_the_first_button_can_be_read_before_a_name_is_chosen(app, frozen, tab):
    tab.goto(f"{app}/label_answers")
    button = tab.get_by_role("button", name="Start labelling")
    button.wait_for()
    for theme in ("light", "dark"):
        tab.emulate_media(color_scheme=theme)
        settle(tab)
        assert button.is_disabled() and not [row for row in tab.evaluate(MEASURE)["contrast"] if "Start" in row["text"]], theme


@pytest.mark.slow
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
    tab.reload()
    tab.locator(".lab-row.now").wait_for()
    at(tab, f"{ann[2]}/0")  # a reload comes back to what was looked at, and to what was begun
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
    for screen in (1, 2):
        press(tab, "1", f"{ben[-1]}/{screen}")
    tab.keyboard.press("3")
    tab.get_by_text("All screens are labelled").wait_for()
    progress = {one.annotator: one.done for one in standing.progress(Workbench(home), frozen)}
    assert progress == {"Ann": 2, "Ben": 6}
    no_error(tab)


@pytest.mark.slow
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
    for _ in range(100):  # until it is saved whole: it is saved at each pause while it is written, too
        said = label(home, frozen, "Ann", item)
        if said and said.comment == "u 1 x: no keys in here":
            break
        tab.wait_for_timeout(200)
    assert said.comment == "u 1 x: no keys in here" and [(span.first, span.last) for span in said.spans] == [(1, 2)]
    assert said.sentences == ((None, None),) and not said.cannot_judge
    no_error(tab)


@pytest.mark.slow
def test_a_key_held_down_or_struck_twice_answers_one_screen(app, home, frozen, tab):
    item = enter(app, tab, "Ann")
    tab.evaluate(
        """() => { for (let n = 0; n < 8; n++) document.body.dispatchEvent(new KeyboardEvent('keydown',
        { key: '2', code: 'Digit2', bubbles: true, cancelable: true, repeat: n > 3 })) }"""
    )
    at(tab, f"{item}/1")
    tab.wait_for_timeout(500)
    assert label(home, frozen, "Ann", item).sentences == (("partly", None),)


@pytest.mark.slow
def test_a_key_meant_for_the_last_sentence_or_for_no_button_gives_nothing(app, home, tab):
    frozen = rounds.freeze(Workbench(home), rating(3, 0, id="stars", annotators=("Ann",), per_item=1), "main")
    mine = assignment(frozen.study, "main")["Ann"]
    item = enter(app, tab, "Ann", "stars")
    press(tab, "1", f"{item}/1")
    tab.evaluate(STRIKE)  # of a busy machine, a key from here would come after the half second in which none counts
    tab.keyboard.press("1")
    tab.wait_for_function("window.struck")  # the stars stand
    tab.wait_for_timeout(300)
    at(tab, f"{item}/2")
    assert label(home, frozen, "Ann", item).helpful == (None,)
    press(tab, "5", f"{mine[1]}/0")
    assert label(home, frozen, "Ann", item).helpful == (5,)
    frozen = rounds.freeze(Workbench(home), pairs(4, id="keys", annotators=("Ann",), per_item=1), "main")
    mine = assignment(frozen.study, "main")["Ann"]
    tab.goto(f"{app}/label_answers?study=keys&annotator=Ann")
    at(tab, f"{mine[0]}/0")
    assert not tab.locator(".lab [data-response]").count(), "nothing says which answer is whose"
    tab.keyboard.press("5")  # stands on no button
    press(tab, "2", f"{mine[1]}/0")
    assert label(home, frozen, "Ann", mine[0]).preference == "tie"
    no_error(tab)


@pytest.mark.slow
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


# Without a connection ------------------------------------------------------------------------------------------------


def kill(process) -> None:
    process.kill()  # SIGKILL
    process.wait()


@pytest.mark.slow
def test_an_app_killed_at_work_loses_nothing_that_was_saved(tab, tmp_path, port):
    study = rating(8, 0, annotators=("Ann", "Ben"), per_item=2)
    frozen, dice = rounds.freeze(Workbench(tmp_path), study, "main"), random.Random(3)
    mine, asked = assignment(study, "main")["Ann"], ("supported", "partly", "contradicted", "not_in_context")
    process = started(tmp_path, port)
    try:
        enter(f"http://127.0.0.1:{port}", tab, "Ann")
        given: list[int] = []  # what the page took, key by key
        for life in range(4):
            for _ in range(dice.randrange(2, 5) if life else 0):  # once nothing was pressed at all
                given.append(dice.randrange(1, 5))
                press(tab, str(given[-1]), place(mine, len(given)))
            flying, before = dice.randrange(1, 5), tab.evaluate(BUTTON)
            if life:
                tab.keyboard.press(str(flying))  # it may be saved or not, and the page must say which
            kill(process)
            tab.get_by_text("No connection to Groundwork").wait_for()
            assert not tab.locator(".st-key-lab_bar button:enabled").count()
            for key in "15ux":
                tab.keyboard.press(key)
            blind = time.monotonic()
            process = started(tmp_path, port)
            tab.get_by_text("No connection to Groundwork").wait_for(state="hidden")
            if life == 3:
                tab.reload()
            tab.wait_for_function(f"before => {BUTTON} && {BUTTON} !== before", arg=before)
            at(tab, "")
            if tab.evaluate(PLACE) != place(mine, len(given)):
                given.append(flying)
            at(tab, place(mine, len(given)))
            assert said(tmp_path, frozen) == [n if k % 3 == 2 else asked[n - 1] for k, n in enumerate(given)]
            time.sleep(max(blind + PAUSE_S - time.monotonic(), 0))  # sooner, a key would count as one of the blind
        no_error(tab)
    finally:
        kill(process)


def place(mine, keys: int) -> str:
    """Where one is after so many keys: two sentences and the stars are asked of each item."""
    return f"{mine[keys // 3]}/{keys % 3}"


def said(home, frozen) -> list:
    """All that Ann's labels hold, in her order."""
    found = (latest.current(Workbench(home), frozen, "Ann", item) for item in assignment(frozen.study, "main")["Ann"])
    return [one for label in found if label for one in (*label.sentences[0], *label.helpful) if one is not None]


# Screen readers ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_everything_has_a_name_and_a_role_and_what_happens_is_told(app, home, tab):
    frozen = rounds.freeze(Workbench(home), rating(1, 0, id="heard", annotators=("Ann",), per_item=1), "main")
    item = assignment(frozen.study, "main")["Ann"][0]
    tab.goto(f"{app}/label_answers?study=heard&annotator=Ann")
    tab.locator(".lab .now").wait_for()
    at(tab, f"{item}/0")
    main = tab.get_by_role("main")
    told = main.get_by_role("status")
    told.filter(has_text="Screen 1 of 1: What is").filter(has_text="Sentence 1 of 2: Answer").wait_for()
    assert main.get_by_role("heading", name=frozen.study.item(item).question, level=2).count() == 1
    labelled = main.get_by_role("progressbar", name="Screens labelled")
    assert [labelled.get_attribute(f"aria-value{name}") for name in ("now", "max")] == ["0", "1"]
    row = main.get_by_role("region", name="Answer").get_by_role("listitem").first
    assert row.get_attribute("aria-current") == "step"
    assert row.get_by_role("button").all_inner_texts() == ["1"], "the words of a sentence are read as one text"
    named = ["Supported", "Partly supported", "Contradicted", "Not in the context", "Cannot judge", "Undo", "Back", "Skip"]
    for name in named:
        assert main.get_by_role("button", name=re.compile(f"^{name} Shortcut")).count() == 1, name
    assert main.get_by_role("textbox", name="Comment").count() == main.get_by_role("region", name="Evidence").count() == 1
    assert main.get_by_role("searchbox", name="Find in the evidence").count() == 1

    tab.keyboard.press("e")
    word = main.get_by_role("button", name="Answer", exact=True)
    assert word.get_attribute("aria-pressed") == "false" and word.evaluate("e => e === document.activeElement")
    tab.keyboard.press("Enter")
    row.get_by_text("wrong words: Answer").wait_for(state="attached")
    assert word.get_attribute("aria-pressed") == "true" and word.evaluate("e => e === document.activeElement")
    tab.keyboard.press("Escape")
    assert not row.get_by_role("button", name="Answer", exact=True).count()

    supported = main.get_by_role("button", name=re.compile("^Supported Shortcut"))
    supported.focus()
    press(tab, "Enter", f"{item}/1")
    told.filter(has_text="Saved. Sentence 2 of 2: It has").wait_for()
    assert supported.evaluate("e => e === document.activeElement"), "whoever goes by Tab and Enter keeps their place"
    row.get_by_role("button", name="Sentence 1").click()
    told.filter(has_text="Labelled: Supported.").wait_for()
    main.get_by_role("button", name="Sentence 2").click()
    at(tab, f"{item}/1")
    press(tab, "1", f"{item}/2")
    told.filter(has_text="Saved. Answer. How helpful").wait_for()
    for name in questions.STARS:
        assert main.get_by_role("button", name=re.compile(f"^{name} Shortcut")).count() == 1, name
    main.get_by_role("button", name=re.compile("^4 stars")).click()
    tab.get_by_text("All screens are labelled").wait_for()
    assert main.get_by_role("alert").all_inner_texts() == ["That was your last screen."]
    no_error(tab)


@pytest.mark.slow
def test_an_adjudicator_decides_what_is_disputed_with_a_key_an_item(app, home, disputed, tab):
    first, second = (item for item in assignment(disputed.study, "adjudication")["Judge"])
    assert enter(app, tab, "Judge", "differ") == first
    now = tab.locator(".lab-row.now")
    assert now.locator(".lab-number").inner_text() == "10" and now.locator(".lab-votes span").count() == 2
    assert tab.locator(".lab-row.agreed").count() == 13 and tab.locator(".lab-votes").count() == 1
    remarks = tab.locator(".lab-remarks").inner_text()
    assert "because supported" in remarks and "because contradicted" in remarks
    shown = tab.locator("body").inner_text()
    assert "Annotator A" in shown and not {"Ann", "Ben"} & set(shown.replace(":", " ").split())
    press(tab, "2", f"{second}/0")
    said = label(home, disputed, "Judge", first)
    assert said.sentences[0].count("supported") == 13 and said.sentences[0][9] == "partly" and said.helpful == (4,)
    press(tab, "u", f"{first}/0")
    assert label(home, disputed, "Judge", first) is None
    press(tab, "1", f"{second}/0")
    tab.keyboard.press("3")
    tab.get_by_text("All screens are labelled").wait_for()
    assert [one.done for one in standing.progress(Workbench(home), disputed)] == [2]
    no_error(tab)


@pytest.mark.slow
def test_on_a_phone_the_sentence_stays_in_sight_while_its_evidence_scrolls(app, home, tab):
    frozen = rounds.freeze(Workbench(home), long("phone", 2), "main")
    tab.set_viewport_size({"width": 390, "height": 844})
    item = enter(app, tab, "Ann", "phone")
    assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    buttons = tab.locator(".st-key-lab_choices_sentence button, .st-key-lab_choices_helpful button")
    assert buttons.count() and all(buttons.nth(n).bounding_box()["height"] >= 42 for n in range(buttons.count()))
    rows = tab.locator(".lab-row:visible")
    assert rows.count() == 1
    main, bar = tab.get_by_test_id("stMain"), tab.locator(".st-key-lab_bar").bounding_box()
    assert bar["y"] + bar["height"] <= 845 and bar["height"] < 330
    for scroll in (400, 900):
        main.evaluate("(box, top) => box.scrollTo(0, top)", scroll)
        tab.wait_for_timeout(200)
        row, passages = rows.bounding_box(), tab.locator(".lab-passages").bounding_box()
        assert row["y"] >= 0 and row["y"] + row["height"] < bar["y"] - 200, "most of the window is evidence"
        assert passages["y"] < row["y"] + row["height"] and passages["y"] + passages["height"] > bar["y"]
    press(tab, "1", f"{item}/1")
    assert rows.count() == 1 and rows.locator(".lab-number").inner_text() == "2"
    tab.get_by_role("button", name="Whole answer").click()
    assert rows.count() == 14
    rows.nth(4).locator(".lab-number").click()
    at(tab, f"{item}/4")
    for button in ("Undo", "Back", "Skip"):
        word = tab.locator(".st-key-lab_ways").get_by_text(button, exact=True).bounding_box()
        assert word["width"] > 15 and word["y"] + word["height"] <= 844
    assert tab.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390
    assert label(home, frozen, "Ann", item).sentences[0][:2] == ("supported", None)
    no_error(tab)


@pytest.mark.slow
def test_the_bar_is_at_the_foot_whatever_is_on_the_screen_and_a_panel_takes_no_keys(app, home, frozen, tab):
    rounds.freeze(Workbench(home), long("bar", 2), "main")

    def foot() -> float:
        bar = tab.locator(".st-key-lab_bar").bounding_box()
        return round(bar["y"] + bar["height"])

    for study in ("toy", "bar"):
        for width in (1440, 900, 390):
            tab.set_viewport_size({"width": width, "height": 844})
            item = enter(app, tab, "Ben" if study == "bar" else "Ann", study)
            assert abs(foot() - 844) <= 1, (study, width)
    tab.keyboard.press("g")
    guide = tab.locator(".st-key-lab_guide")
    guide.get_by_role("heading", name="Guidelines for annotators").wait_for()
    tab.keyboard.press("1")
    tab.wait_for_timeout(800)
    assert label(home, versions.load(Workbench(home), "bar"), "Ben", item) is None, "the item is under the panel"
    tab.keyboard.press("Escape")
    guide.wait_for(state="detached")
    tab.set_viewport_size({"width": 1440, "height": 844})
    tab.keyboard.press("g")
    guide.wait_for()
    press(tab, "1", f"{item}/1")
    assert guide.is_visible(), "beside the item it stays"
    no_error(tab)


@pytest.mark.slow
def test_a_comment_that_is_being_typed_and_the_time_on_its_item_outlive_a_reload(app, home, tab):
    frozen = rounds.freeze(Workbench(home), rating(2, 0, id="typed", annotators=("Ann", "Ben"), per_item=2), "main")
    asked = time.monotonic()
    item = enter(app, tab, "Ann", "typed")
    came = time.monotonic()
    box, text = (tab.get_by_role("textbox", name="Comment"), "The second sentence goes beyond what the first passage says of it")
    tab.keyboard.press("m")
    for letter in text[:45]:  # without the pause for which the box itself waits
        tab.keyboard.type(letter)
        tab.wait_for_timeout(80)
    assert len((label(home, frozen, "Ann", item) or blank(frozen.study, "main", frozen.study.item(item), "Ann")).comment) > 10
    assert box.input_value() == text[:45], "what is saved meanwhile takes no letter away"
    tab.keyboard.type(text[45:])
    seen_s = time.monotonic() - came
    tab.reload()
    tab.locator(".lab-row.now").wait_for()
    tab.wait_for_function("text => document.querySelector('[class*=st-key-label_comment] input')?.value === text", arg=text)
    at(tab, f"{item}/0")
    press(tab, "1", f"{item}/1")
    said = label(home, frozen, "Ann", item)
    assert said.comment == text and said.sentences == (("supported", None),)
    assert seen_s - 0.5 <= said.seconds <= time.monotonic() - asked
    press(tab, "u", f"{item}/0")
    tab.reload()
    tab.locator(".lab-row.now").wait_for()
    at(tab, f"{item}/0")
    tab.wait_for_timeout(500)
    assert label(home, frozen, "Ann", item).comment == text and box.input_value() == text
    no_error(tab)
