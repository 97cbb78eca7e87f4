"""The page Agreement: its numbers are the lab's, undefined is said in words, and every source and state is told."""

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui import cells
from app.ui.agreement import measures
from app.ui.agreement.systems import system_column
from core.annotation import draft, exports, rounds, saving
from core.annotation.assignment import assignment
from core.annotation.labels import blank
from core.report.table import MINUS
from core.workbench import Workbench
from tests.support.annotated import pairs, rating
from tests.support.screen import html, visit

PLAN = {**draft.DEFAULTS["rating"], **draft.ONE_SYSTEM}
TABS = ("Agreement", "By annotator", "By item", "As labels come in", "Consensus", "People against machines")


@pytest.fixture
def bench(tmp_path, monkeypatch):
    workbench = Workbench(tmp_path / "home")
    monkeypatch.setattr(session, "workbench", lambda: workbench)
    monkeypatch.delenv("GROUNDWORK_DATASETS", raising=False)
    monkeypatch.setattr("core.agreement.sources.FOLDER", tmp_path / "annotations")
    return workbench


def labelled(bench, study, name=lambda who, number: "supported", round_name="main"):
    """The study, frozen and labelled by everyone: the label of an item's sentences by annotator and place."""
    frozen = rounds.freeze(bench, study, round_name)
    for number, item in enumerate(study.round_items(round_name)):
        for who in study.annotators:
            if item.id not in assignment(study, round_name)[who]:
                continue
            given = {"sentences": tuple((name(who, number),) * len(one.sentences) for one in item.responses)}
            given |= {"helpful": (3 + number % 2,) * len(item.responses), "seconds": 10.0 + number}
            if study.kind == "pairs":
                given["preference"] = ("a", "b", "tie", "a")[number % 4]
            saving.label(bench, frozen, blank(study, round_name, item, who).model_copy(update=given))
    return frozen


def mixed(who: str, number: int) -> str:
    return "partly" if number % 3 == 0 or (who == "Cy" and number % 2) else "supported"


def open_page(view: str = "Agreement", **address: str) -> AppTest:
    return checked(visit("measure_agreement", {"view": view, **address}))


def checked(app: AppTest) -> AppTest:
    assert not app.exception and not app.error, [*(e.value for e in app.error), *(c.value for c in app.code)]
    return app


def planned(app: AppTest) -> str:
    """The box with the study's own question."""
    return next((element.proto.body for element in app.get("html") if 'class="gw gw-plan' in element.proto.body), "")


def words(app: AppTest) -> str:
    return html(app) + " ".join(element.value for element in [*app.caption, *app.info, *app.warning])


def frame(app: AppTest, column: str):
    """The table with this column."""
    return next(one.value for one in app.dataframe if column in one.value)


def test_an_empty_store_says_what_to_give(bench):
    app = open_page()
    assert "item, annotator and value" in html(app)
    assert app.selectbox(key="source").value == "Upload files"


@pytest.mark.slow
def test_who_misses_known_sentences_is_told_apart_from_how_many(bench):
    labelled(bench, rating(12, pilot=0, attention=True, **PLAN), lambda who, number: "partly")
    [told] = [one.value for one in open_page(source="toy").warning if "Known sentences" in one.value]
    assert "right: Ann: 0 of 14; Ben: 0 of 14; Cy: 0 of 14. Check" in told.replace("\\:", ":")


@pytest.mark.slow
def test_each_tab_of_a_stored_study_shows_its_tables(bench, tmp_path):
    labelled(bench, rating(12, pilot=0, duplicates=3, attention=True, **PLAN), mixed)
    tabs = {view: open_page(view, source="toy") for view in TABS}
    verdict = planned(tabs["Agreement"])
    assert "More than half of the sentences are supported." in verdict and "lies above 0.5" in verdict
    assert planned(open_page(yes="partly")) == verdict == planned(open_page(part="Helpful")), "no setting moves it"
    shown = frame(tabs["By annotator"], "Alpha without").set_index("Annotator")
    assert set(shown.index) == {"Ann", "Ben", "Cy"} and {"Self-agreement", "Attention", "Seconds an item"} <= set(shown.columns)
    assert any("stop rule:** all items are labelled, met" in one.value for one in tabs["As labels come in"].markdown)
    assert frame(tabs["By item"], "Labels")["Item"].str.fullmatch(r"Item \d+, sentence [12]").all()
    assert any("two sentences" in one.value for one in tabs["By item"].text)
    assert len(frame(tabs["Consensus"], "System")) and len(frame(tabs["People against machines"], "Measure"))
    assert frame(open_page("Consensus", part="Helpful"), "System")["Mean"].between(3, 4).all()
    assert "ordinal" in frame(open_page(part="Helpful", level="Ordinal"), "Coefficient")["Coefficient"].iloc[0]
    assert any("gone" in one.value for one in open_page(source="gone").warning)
    exports.export(bench, "toy", folder=tmp_path / "annotations" / "toy")
    file = open_page(source="annotations/toy")
    assert frame(tabs["Agreement"], "Coefficient").equals(frame(file, "Coefficient"))
    assert "core annotate agreement" in " ".join(one.value for one in file.code)


@pytest.mark.slow
def test_the_numbers_of_a_page_follow_from_one_another(bench):
    study = rating(8, pilot=0, annotators=("Ann", "Ben"), **draft.DEFAULTS["rating"] | draft.SEVERAL)

    def name(who: str, number: int) -> str:
        if number < 4 and who == "Ben" or number == 0:
            return "cannot_judge"  # nobody judges item 1, only Ann judges 2 to 4
        return "partly" if who == "Ben" and number < 6 else "supported"  # 5 and 6 are tied, 7 and 8 agreed

    labelled(bench, study, name)
    app = open_page()
    box = planned(app)
    assert "10 sentences of 5 answers" in box and "4 agreed, 6 by one person only; 4 tied are left out" in box
    assert "label records" not in box
    told = "32 labels were given, 10 of them “Cannot judge”. Of 16 sentences, 8 judged by both, 6 by one person and 2 by nobody."
    assert told in words(app) and "22 labels" in html(app)


@pytest.mark.slow
def test_without_variation_nothing_is_a_number_and_careless_answers_to_known_sentences_are_pointed_out(bench):
    labelled(bench, rating(8, pilot=0, attention=True))
    app = open_page()
    assert "undefined: no variation" in html(app) and "undefined" in words(app)
    table = frame(app, "Coefficient").set_index("Coefficient")
    assert table.loc["Percent agreement", "Value"] == 1.0 and table["Value"].isna().any()
    assert "nan" not in html(app).lower()
    [warned] = app.warning  # one bar for all
    assert "Known sentences" in warned.value and "Ann" in warned.value and "Ben" in warned.value
    for view in TABS[1:]:
        open_page(view)


@pytest.mark.slow
def test_a_kappa_paradox_is_pointed_out(bench):
    rare = {("Ann", 0), ("Ben", 3), ("Cy", 5)}
    labelled(bench, rating(30, pilot=0, per_item=3), lambda who, number: "partly" if (who, number) in rare else "supported")
    app = open_page()
    assert any("Kappa paradox" in one.value and "AC1" in one.value for one in app.warning)


@pytest.mark.slow
def test_ab_studies_have_preferences_and_position(bench):
    labelled(bench, pairs(8))
    app = open_page("Consensus", source="ab")
    duel = frame(app, "A better").iloc[0]
    assert duel["A better"] + duel["B better"] + duel["Tied"] == 8 and duel["Tied"] == 2
    assert "First on the screen" in html(app) and "position bias" in html(app)
    assert "preferences" in html(open_page("People against machines", source="ab"))


@pytest.mark.slow
def test_the_headline_is_refused_for_a_machine_no_better_than_chance(bench):
    labelled(bench, rating(20, pilot=0, per_item=2), mixed)  # the passages share no words with the answers
    app = open_page("People against machines")
    assert "refused" in html(app) or "undefined" in html(app)


@pytest.mark.slow
def test_ties_of_two_are_bounds_and_not_silence(bench):
    labelled(
        bench,
        rating(20, pilot=0, annotators=("Ann", "Ben"), **PLAN),
        lambda who, number: "partly" if who == "Ben" and number % 2 else "supported",
    )
    app = open_page("Consensus")
    assert "Not decidable yet" in planned(app) and "0.500 to 1.000" in planned(app)
    assert "With ties" in frame(app, "System") and "20 of 40 sentences are tied" in words(app)
    app = open_page("By annotator")  # and nothing of two that three are needed for
    assert not {"Alpha without", "With majority"} & set(frame(app, "Annotator").columns)
    assert "Alpha without each annotator" not in html(app) and "Fleiss" not in html(open_page())


@pytest.mark.slow
def test_decisions_are_the_consensus_as_soon_as_they_are_there(bench):
    study = rating(20, pilot=0, annotators=("Ann", "Ben"), **PLAN)
    labelled(bench, study, lambda who, number: "partly" if who == "Ben" else "supported")
    frozen = rounds.open_adjudication(bench, "toy", ["Edith"])
    for item_id in frozen.study.disputed:
        label = blank(frozen.study, "adjudication", frozen.study.item(item_id), "Edith")
        given = {"sentences": tuple(("supported",) * len(one) for one in label.sentences), "helpful": (4,)}
        saving.label(bench, frozen, label.model_copy(update=given))
    app = open_page("Consensus")
    assert "40 decided by Edith" in words(app) and "Edith decided" in planned(app) and ">Met<" in planned(app)
    assert frame(app, "System")["Share"].eq(1.0).all()


@pytest.mark.slow
def test_the_round_is_told_and_chosen_by_the_address(bench):
    study = rating(16, pilot=6, title="Faithful?", **PLAN)
    labelled(bench, study, mixed, "pilot")
    assert "Pilot round" in html(open_page()) and "This is the pilot" in planned(open_page())
    labelled(bench, study, mixed)
    app = open_page(of_round="pilot")
    assert "Pilot round" in html(app) and "6 items" in html(app) and "Faithful?" in app.selectbox(key="source").options
    assert "Main round" in html(open_page()) and "10 items" in html(open_page())


@pytest.mark.slow
def test_a_study_without_labels_says_so(bench):
    rounds.freeze(bench, rating(8, pilot=0), "main")
    assert "Nobody has labelled anything" in html(open_page())


@pytest.mark.slow
def test_what_nobody_can_judge_is_counted_on_every_tab(bench):
    def name(who, number):
        cannot = number < 3 or (number == 4 and who == "Ben")
        return "cannot_judge" if cannot else "partly" if number % 4 == 3 else "supported"

    labelled(bench, rating(12, pilot=0, annotators=("Ann", "Ben"), **PLAN), name)
    app = open_page()
    assert (
        "24 sentences" in html(app)
        and "6 of them cannot be judged" in html(app)
        and "6 more that nobody could judge" in planned(app)
    )
    assert any("All are of 16 sentences judged by both" in caption.value for caption in app.caption)
    app = open_page("By item")
    assert frame(app, "Labels")["Labels"].eq("1 Supported, 1 Cannot judge").all() and len(frame(app, "Labels")) == 2
    assert "6 more that nobody could judge are left out of every share" in words(open_page("Consensus"))


@pytest.mark.slow
def test_few_verdicts_are_told_with_the_number_that_is_needed(bench):
    labelled(bench, rating(12, pilot=0, per_item=2), lambda who, number: "partly" if number % 2 else "supported")
    assert "12 of 12 answers have people" in words(open_page("People against machines"))


@pytest.mark.slow
def test_an_address_of_labels_that_are_not_here_says_so(bench):
    for asked in ({"source": "zzz"}, {"study": "zzz"}):
        app = checked(visit("measure_agreement", asked))
        assert "“zzz” that the address asks for are not here" in app.warning[0].value, asked


def test_names_of_systems_take_no_more_room_than_they_need():
    narrow, wide = (
        system_column({"a": name}).width for name in ("summariser", "a system of a very long name, with all of its settings")
    )
    assert narrow < 110 and wide == 270


def test_an_interval_of_two_negative_numbers_has_room():
    _, interval = measures._columns("Difference")
    text = f"{MINUS}0.191 to {MINUS}0.041"
    assert cells.shortened(text, interval.width) == text
