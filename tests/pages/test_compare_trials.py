"""The page Trials: table, selection in the address, comparison, what is done with a trial."""

import json
from types import SimpleNamespace

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui.trials import table
from core.labs.trials import comparison, listing
from core.workbench import Workbench
from tests.support.screen import visit
from tests.support.synthetic_trials import add_failed, add_questions, add_trial


@pytest.fixture(scope="module")
def ids(home) -> dict[str, str]:
    store = Workbench(home).store
    first, other = add_questions(store), add_questions(store, name="other", dataset="other")
    return {
        "base": add_trial(store, first, seed=1),
        "worse": add_trial(store, first, {"fusion.weight": 0.5}, 0.1, 2, sweep="a"),
        "failed": add_failed(store, reason="The encoder <b>could</b> not be loaded. " * 20),
        "other": add_trial(store, other, seed=4),
    }


@pytest.fixture
def bench(home, monkeypatch):
    bench = Workbench(home)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


def open_page(**address: str) -> AppTest:
    app = visit("compare_trials", address)
    assert not app.exception
    return app


def shown(app: AppTest, column: str = "Trial"):
    """The first table with this column."""
    return next(d.value for d in app.dataframe if column in d.value.columns)


def texts(app: AppTest) -> str:
    return " ".join(e.value for e in [*app.caption, *app.warning, *app.info, *app.error])


def press(app: AppTest, key: str) -> AppTest:
    return next(b for b in app.button if b.key == key).click().run()


@pytest.mark.slow
def test_without_trials_the_page_says_how_to_get_one(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    app = open_page()
    assert not app.dataframe and any(b.key == "first" for b in app.button) and not app.error


@pytest.mark.slow
def test_the_table_lists_all_newest_first_with_failures_and_their_reason(bench, ids):
    frame = shown(open_page())
    assert list(frame["Id"]) == [ids[name][-6:] for name in ("other", "failed", "worse", "base")]
    assert frame["Trial"].tolist()[2:] == ["Hybrid convex, weight 0.5", "Hybrid convex, defaults"]
    assert list(frame.columns)[:4] == ["Trial", "Corpus", "nDCG@10", "MRR@10"]  # in sight in a narrow window too
    assert "Hit@10" not in frame.columns  # one piece of evidence a question: it is the recall
    assert frame["Status"][1] == "failed: The encoder <b>…"
    assert frame["nDCG@10"].isna().tolist() == [False, True, False, False]
    assert frame["Questions"].tolist()[-1] == 39 and "of" not in frame, "by the number it sorts"


@pytest.mark.slow
def test_an_experiment_in_the_address_stays_the_filter_once_it_has_one_more_trial(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    questions = add_questions(bench.store)
    add_trial(bench.store, questions)
    for seed in (1, 2):
        add_trial(bench.store, questions, {"fusion.weight": seed / 10}, seed=seed, sweep="a")
    before = listing.everything(bench).summary().sweeps["a"]
    assert len(shown(open_page(sweep=before))) == 2 and before.endswith(", 2 trials")
    add_trial(bench.store, questions, {"fusion.weight": 0.3}, seed=3, sweep="a")
    assert len(shown(open_page(sweep=before))) == len(shown(open_page(sweep="a"))) == 3


@pytest.mark.slow
def test_the_address_restores_the_comparison_with_the_numbers_of_the_command_line(bench, ids):
    app = open_page(trials=f"{ids['base']},{ids['worse']}")
    [row] = shown(app, "Verdict").to_dict("records")
    wanted = bench.compare(ids["base"], ids["worse"], "ndcg_linear")
    for name, key in {
        "Difference": "difference",
        "Low": "low",
        "High": "high",
        "p": "p",
        "Effect": "effect_size",
        "Won": "wins",
        "Lost": "losses",
        "n": "n",
        "nDCG@10": "mean_b",
        "Reference": "mean_a",
    }.items():
        assert row[name] == pytest.approx(wanted[key]), name
    assert row["Verdict"] == "worse"
    assert "2 recipes were compared on these questions so far, 2 of them stored as trials" in texts(app)
    app.session_state["compare_view"] = "Settings that differ"
    settings = shown(app.run(), "Setting")
    assert settings["Setting"].tolist() == ["fusion dense weight"] and settings.iloc[0, 1:].tolist() == ["0.7", "0.5"]
    app.session_state["compare_view"] = "By question"
    assert len(shown(app.run(), "Question")) == 39
    found = {}
    for outcome in ("Won", "Lost", "Tied"):
        app = app.segmented_control(key="outcome").set_value(outcome).run()
        found[outcome] = shown(app, "Question")["Change"].tolist()
    assert min(found["Won"]) > 0 > max(found["Lost"]) and not any(found["Tied"])
    assert sum(map(len, found.values())) == 39
    next(t for t in app.text_input if t.key == "words").set_value("weight").run()
    assert len(shown(app)) == 1 and app.session_state["chosen"] == [ids["base"], ids["worse"]], "what a filter hides stays chosen"
    next(t for t in app.text_input if t.key == "words").set_value("nothing has this").run()
    assert "No trial matches" in texts(app) and not app.error
    next(t for t in app.text_input if t.key == "words").set_value("").run()
    app = press(app, "untick")
    assert app.session_state["chosen"] == [] and "trials" not in app.query_params
    assert table.TABLE in [d.key for d in app.dataframe] and not any("Verdict" in d.value.columns for d in app.dataframe)


@pytest.mark.slow
def test_trials_on_other_questions_without_results_and_of_another_store_are_told_and_not_compared(bench, ids):
    there = [ids[name] for name in ("base", "other", "failed")]
    app = open_page(trials=",".join([*there, "0123456789"]))
    assert "shares no measured question" in texts(app) and "Not compared" in texts(app)
    assert shown(app, "Verdict")["Verdict"].tolist() == ["not compared"]
    assert app.session_state["chosen"] == there and "not in this store" in texts(app)


@pytest.mark.slow
def test_no_more_are_compared_than_can_be_read(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    many = [add_failed(bench.store) for _ in range(25)]
    app = open_page(trials=",".join(many), words="nothing has this")
    assert app.session_state["chosen"] == many[: comparison.MOST] and "At most 20" in texts(app)


@pytest.mark.slow
def test_a_trial_is_pinned_and_opened(bench, ids):
    app = press(open_page(trials=ids["worse"], words="weight"), "pin_trial")
    assert app.session_state["recipes"]["baseline"].fusion.weight == 0.5
    app = press(app, "open_trial")
    assert app.session_state["recipes"]["current"].fusion.weight == 0.5
    assert app.session_state["page"] == "search_live"


def test_a_tick_is_added_in_order_and_what_a_filter_hides_stays(monkeypatch):
    class State(dict):
        __getattr__, __setattr__ = dict.__getitem__, dict.__setitem__

    state = State(shown_trials=["c", "d"], chosen=["a", "d"], **{table.TABLE: {"selection": {"rows": [0]}}})
    fake = SimpleNamespace(session_state=state, query_params={"trials": "a,d"})
    monkeypatch.setattr(table, "st", fake)
    table._ticked()
    assert state.chosen == ["a", "c"] and fake.query_params == {"trials": "a,c"}


@pytest.mark.slow
def test_a_recipe_of_another_version_says_so_and_the_page_lives(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    recipe = {"fusion": {"part": "of old"}, "evaluation": {"k": 10}, "retrieval": {"top_k": 10}}
    old = add_trial(bench.store, add_questions(bench.store), config=recipe)
    app = open_page(trials=old)
    assert "of old" in texts(app) and next(b for b in app.button if b.key == "open_trial").disabled


@pytest.mark.slow
def test_a_long_list_is_shown_page_by_page_and_what_is_ticked_stays(bench, ids, monkeypatch):
    monkeypatch.setattr(table, "PAGE", 3)
    app = open_page(trials=ids["other"])
    assert shown(app)["Id"].tolist() == [ids[name][-6:] for name in ("other", "failed", "worse")]
    assert "Rows 1 to 3. CSV has all 4." in texts(app)
    [pages] = app.get("pagination")
    assert pages.proto.num_pages == 2
    app.session_state[pages.key] = 2
    app.run()
    assert shown(app)["Id"].tolist() == [ids["base"][-6:]] and "Rows 4 to 4." in texts(app)
    assert app.session_state["chosen"] == [ids["other"]]


def box(app: AppTest, key: str):
    """A select box; one of trials has what its options are called in its key."""
    return next(box for box in app.selectbox if box.key.partition("/")[0] == key)


def choose(app: AppTest, key: str, value) -> AppTest:
    return box(app, key).set_value(value).run()


@pytest.mark.slow
def test_a_trial_is_named_noted_and_tagged_and_found_by_it(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    one, two = (add_trial(bench.store, questions, seed=1), add_trial(bench.store, questions, {"fusion.part": "rrf"}, seed=2))
    monkeypatch.setattr(session, "workbench", lambda: bench)
    app = open_page(trials=one)
    app.text_input(key=f"name/{one}").set_value("The <b>first</b>").run()
    app.text_area(key=f"note/{one}").set_value("why it was run").run()
    app.multiselect(key=f"tags/{one}").set_value(["paper"]).run()
    assert bench.describe(one) == {"trial": one, "name": "The <b>first</b>", "note": "why it was run", "tags": ["paper"]}
    assert shown(app)["Trial"].tolist() == ["Hybrid RRF, defaults", "The <b>first</b>"]
    assert shown(app)["Tags"].tolist() == ["", "paper"]
    assert shown(app)["Recipe"].tolist() == ["Hybrid RRF, defaults", "Hybrid convex, defaults"]
    drawn = "".join(element.proto.body for element in app.get("html"))
    assert "Median latency of a question" in drawn and "3.0 ms" in drawn
    assert "The <b>first</b>" not in "".join(element.proto.body for element in app.get("html"))  # escaped
    assert len(shown(choose(app, "tag", "paper"))) == 1
    app = open_page(words="why run")
    assert shown(app)["Id"].tolist() == [one[-6:]]
    app.text_input(key="words").set_value("rrf").run()
    assert shown(app)["Id"].tolist() == [two[-6:]]


@pytest.mark.slow
def test_equal_recipes_stand_in_one_row_until_each_is_asked_for(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    first, second = (add_trial(bench.store, questions, seed=1) for _ in range(2))
    add_trial(bench.store, questions, {"fusion.part": "rrf"}, seed=2)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    app = open_page()
    assert shown(app)["Id"].tolist()[1:] == [second[-6:]] and shown(app)["Repeat"].tolist() == ["", "2 of 2"]
    app.toggle(key="repeats").set_value(True).run()
    assert shown(app)["Id"].tolist()[1:] == [second[-6:], first[-6:]]
    assert shown(app)["Repeat"].tolist() == ["", "2 of 2", "1 of 2"]
    assert "2 of 2 with this recipe" in "".join(element.proto.body for element in open_page(trials=second).get("html"))


@pytest.mark.slow
def test_the_address_holds_reference_tab_metric_and_cost(bench, ids):
    app = open_page(
        trials=f"{ids['base']},{ids['worse']}",
        reference=ids["worse"],
        compare_view="By question",
        metric="MRR@10",
        cost="Chunks in the index",
        pareto_metric="MAP@k",
        together="Frontier",
    )
    assert box(app, "reference").value == ids["worse"] and app.selectbox(key="metric").value == "mrr"
    assert app.selectbox(key="cost").value == "chunks" and app.selectbox(key="pareto_metric").value == "map"
    assert len(shown(app, "Question")) == 39
    older = open_page(trials=f"{ids['base']},{ids['worse']}", reference=f"convex, weight 0.5 ({ids['worse'][-6:]})")
    assert box(older, "reference").value == ids["worse"]
    assert older.query_params["reference"] in (ids["worse"], [ids["worse"]])


@pytest.mark.slow
def test_quality_against_cost_is_of_the_ticked_trials_and_ranks_nothing_that_is_not_told_apart(bench, ids):
    app = open_page(trials=ids["other"], together="Frontier")  # alone on its questions
    assert "other, 40 questions, k 10: it takes two trials" in texts(app).replace("\\", "")
    app = open_page(trials=ids["base"], together="Frontier")
    assert not any(box.key == "same_questions" for box in app.selectbox)  # its own questions, without asking
    assert app.selectbox(key="cost").value == "context_at_k"  # what a passage costs comes first
    app = choose(app, "cost", "latency_ms")
    assert "of 2 recipes" in texts(app) or "These recipes do not differ significantly" in texts(app)


@pytest.mark.slow
def test_beaten_trials_are_open_so_that_two_equal_ones_do_not_look_unbeaten(bench, ids):
    chart = json.loads(open_page(cost="Chunks in the index", together="Frontier").get("plotly_chart")[0].proto.spec)
    symbols = {trace["name"]: trace["marker"]["symbol"] for trace in chart["data"] if "customdata" in trace}
    assert symbols == {"Beaten by another": "circle-open", "On the frontier": "circle"}


@pytest.fixture
def three(tmp_path, monkeypatch):
    """A store of its own with three trials on the same questions."""
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store)
    changes = ({}, {"fusion.part": "rrf"}, {"fusion.part": "sparse_only"})
    ids = [add_trial(bench.store, questions, change, 0.05 * i, i + 1) for i, change in enumerate(changes)]
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench, ids


@pytest.mark.slow
def test_what_is_typed_of_trials_outlives_the_page(three):
    bench, ids = three
    app = open_page(trials=",".join(ids))
    for number, trial_id in enumerate(ids):
        app = choose(app, "one_trial", trial_id)
        app.text_input(key=f"name/{trial_id}").set_value(f"name {number}").run()
    app.text_area(key=f"note/{ids[-1]}").set_value("a note").run()
    app.multiselect(key=f"tags/{ids[-1]}").set_value(["paper"]).run()
    wanted = [bench.describe(trial_id) for trial_id in ids]
    assert [one["name"] for one in wanted] == ["name 0", "name 1", "name 2"]
    app = press(app, "open_trial").switch_page("../pages/compare_trials.py").run()
    for trial_id in [*ids, ids[0]]:
        app = choose(app, "one_trial", trial_id)
        # what the browser has where the value that the session set did not reach it, and sends as if it were typed
        for widget in (app.text_input(key=f"name/{trial_id}"), app.text_area(key=f"note/{trial_id}")):
            assert widget.proto.default == bench.describe(trial_id)[widget.key.partition("/")[0]]
        tags = app.multiselect(key=f"tags/{trial_id}").proto
        assert [tags.options[place] for place in tags.default] == bench.describe(trial_id)["tags"]
    assert [bench.describe(trial_id) for trial_id in ids] == wanted


@pytest.mark.slow
def test_a_trial_stays_chosen_when_it_is_renamed_and_when_the_page_is_left(three):
    _, ids = three
    settings = shown(open_page(trials=",".join(ids), compare_view="Settings that differ"), "Setting").set_index("Setting")
    assert settings.loc["fusion"].tolist() == ["Hybrid convex", "Hybrid RRF", "BM25"] and "min max" in settings.to_string()
    app = choose(open_page(trials=",".join(ids), compare_view="By question"), "one_trial", ids[1])
    app = choose(choose(app, "reference", ids[2]), "against", ids[1])
    for _ in range(2):
        app.text_input(key=f"name/{ids[1]}").set_value("renamed").run()
        app = app.run()
        for key, trial_id in {"one_trial": ids[1], "reference": ids[2], "against": ids[1]}.items():
            drawn = box(app, key)
            assert drawn.value == trial_id and app.query_params[key] in (trial_id, [trial_id])
            # the browser tells its choice by these words
            assert drawn.options[drawn.proto.default] == drawn.proto.options[drawn.index]
            assert any(option.startswith("renamed") for option in drawn.options), key
        app = app.switch_page("../pages/search_live.py").run().switch_page("../pages/compare_trials.py").run()
        assert app.session_state["compare_view"] == "By question"
    app = press(app, "open_trial")
    assert app.session_state["recipes"]["current"].fusion.part == "rrf"


@pytest.mark.slow
def test_a_pinned_baseline_is_the_reference_and_a_table_for_a_paper_names_it_first(bench, ids):
    both = {"trials": f"{ids['base']},{ids['worse']}"}
    ordered = lambda app: list(app.session_state["chosen"])  # noqa: E731
    assert ordered(press(open_page(**both, reference=ids["worse"]), "into_paper")) == [ids["worse"], ids["base"]]
    pinned = open_page(**both, **{"baseline.fusion.weight": "0.5"})
    assert shown(pinned, "Verdict")["Verdict"].tolist() == ["better"]
    assert not any(box.label == "Reference" for box in pinned.selectbox)
    [box] = [box for box in pinned.selectbox if box.label == "Reference, the pinned baseline"]
    assert box.value == ids["worse"] and len(box.options) == 1, "wherever it was ticked"
    assert ordered(press(pinned, "into_paper")) == [ids["worse"], ids["base"]]


@pytest.mark.slow
def test_questions_by_recipes_open_with_all_that_each_found(bench, ids):
    app = open_page(trials=f"{ids['base']},{ids['worse']}", together="Questions × recipes", different="true", apart="0.5")
    frame = shown(app, "Apart")
    assert (
        len(frame) and min(frame["Apart"]) > 0.5 and frame.columns[2].startswith("A · ") and "rank" in " ".join(frame.iloc[:, 2])
    )
    words = next(each for each in app.text_input if each.key == "matrix_words")
    words.set_value("no question has this").run()
    assert "0 of 40 questions" in texts(app) and not app.exception
    app = open_page(trials=f"{ids['base']},{ids['worse']}", together="Questions × recipes", question="q3")
    assert any("What is 3 in tiny?" in each.value for each in app.subheader) and "gold passage at rank" in texts(app)
    app = open_page(trials=ids["base"], together="Questions × recipes")
    assert "Tick 2 to 8 trials" in texts(app)


@pytest.mark.slow
def test_own_columns_groups_and_a_saved_view_come_back_by_its_name(bench, ids):
    app = open_page(columns="Fusion dense weight", sorted_by="Fusion dense weight", ascending="true", of_corpus="tiny")
    frame = shown(app)
    assert list(frame.columns)[:3] == ["Trial", "Corpus", "Fusion dense weight"]
    assert frame["Fusion dense weight"].tolist() == [0.5, 0.7, 0.7]
    next(each for each in app.text_input if each.key == "trial_view_name").set_value("Weights").run()
    app = press(app, "save_view")
    assert app.selectbox(key="trial_view").value == "Weights" and not app.exception
    app = open_page(trial_view="Weights")
    assert shown(app)["Fusion dense weight"].tolist() == [0.5, 0.7, 0.7] and app.selectbox(key="of_corpus").value == "tiny"
    app = app.selectbox(key="trial_view").set_value("").run()
    assert "nDCG@10" in shown(app).columns and len(shown(app)) == 4
    app = app.selectbox(key="grouped_by").set_value("fusion.weight").run()
    groups = shown(app, "Trials")
    assert groups["Fusion dense weight"].tolist() == ["0.5", "0.7", "0.7"] and groups["95%"].str.contains(" to ").all()
    assert table.TABLE not in [each.key for each in app.dataframe], "folded"
    bench.describe(ids["base"], note="Kept for later")
    app = open_page(trials=ids["base"])
    assert "Kept for later" in shown(app)["Note"].tolist() and not app.exception
