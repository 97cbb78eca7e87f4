"""The page Trials: what many trials say together, a tab each; only the open one computes."""

import itertools
import json
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from app import session
from app.ui.trials.leaderboard import summary
from core.labs.experiments import book, results
from core.labs.experiments.experiment import made
from core.labs.papers import paper as papers
from core.labs.trials import comparison, effects, leaderboard, left_out, values
from core.workbench import Workbench
from tests.pages.test_compare_trials import open_page, shown, texts
from tests.support.synthetic_trials import add_failed, add_questions, add_trial

POINTS = list(itertools.product((64, 128, 256), (0.3, 0.5, 0.7)))


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    store = Workbench(home).store
    questions = add_questions(store)
    for number, (size, weight) in enumerate(POINTS):
        point = {"chunking.size_tokens": size, "fusion.weight": weight}
        add_trial(
            store, questions, point, 0.3 + 0.5 * (size == 256), number, "s", cached={"sparse": number > 0, "metrics": False}
        )
    return home


@pytest.fixture
def bench(home, monkeypatch):
    bench = Workbench(home)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    return bench


def tab(name: str, **address: str) -> AppTest:
    app = open_page(together=name, **address)
    assert not app.error
    return app


def charts_of(app: AppTest) -> list[dict]:
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


@pytest.mark.slow
def test_the_leaderboard_has_the_numbers_of_the_command_and_says_who_is_equal(bench, shown_commands):
    app = tab("Leaderboard")
    board = leaderboard.leaderboard(bench, values.select(bench, "s")[1], "ndcg_linear")
    frame = shown(app, "Place")
    assert frame["nDCG@10"].tolist() == [row.interval.mean for row in board.rows]
    assert (
        frame["Group"].tolist() == ["best", *["not significantly worse"] * (board.equals - 1), *[""] * (9 - board.equals)]
        and "Repeats" not in frame.columns
    )
    assert "Not significantly different from the best" in texts(app) or "All others are significantly worse" in texts(app)
    assert "python -m core trials leaderboard s --metric ndcg_linear" in shown_commands
    assert len(app.get("plotly_chart")) == 1  # no other tab computes
    before = len(shown_commands)
    tab("Leaderboard", words="weight 0.3")
    [command] = {command for command in shown_commands[before:] if "leaderboard" in command}
    assert "--only" in command and len(command.split("--only")[1].split()) > 2, "filtered trials are named"
    app = tab("Effects", words="weight 0.3")
    assert "Importance needs 8 recipes" in texts(app) and len(shown(app, "Level")) == 3


def test_contexts_of_other_lengths_are_told_beside_the_leaderboard(bench):
    board = leaderboard.leaderboard(bench, values.select(bench, "s")[1][:2], "ndcg_linear")

    def told(*tokens: float) -> str:
        costs = [{"context_at_k": comparison.Spread(count)} for count in tokens]
        rows = [row._replace(trial=replace(row.trial, costs=each)) for row, each in zip(board.rows, costs, strict=True)]
        return summary(board._replace(rows=rows))

    assert "524 to 3,496 tokens" in told(524.0, 3496.0) and "tokens" not in told(500.0, 520.0)


@pytest.mark.slow
def test_the_leaderboard_goes_into_a_paper_as_a_table_and_names_are_no_markup_in_its_chart(tmp_path, monkeypatch):
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    questions = add_questions(bench.store)
    for seed in range(3):
        bench.describe(
            add_trial(bench.store, questions, {"fusion.weight": 0.1 * seed}, 0.3 * seed, seed, "s"), name=f"<b>{seed}</b>"
        )
    papers.create(bench, "Ours")
    app = tab("Leaderboard")
    [chart] = charts_of(app)
    assert sorted(chart["layout"]["yaxis"]["categoryarray"]) == [f"&lt;b&gt;{seed}&lt;/b&gt;" for seed in range(3)]
    app.number_input(key="export/leaderboard/table/rows").set_value(2).run()
    app.selectbox(key="export/leaderboard/table/paper").set_value("ours").run()
    app.button(key="export/leaderboard/table/add").click().run()
    assert not app.exception and not app.error
    [item] = papers.load(bench, "ours").items
    assert item.command == ("trials", "leaderboard", "s", "--metric", "ndcg_linear", "--first", "2") and len(item.trials) == 3
    assert len(papers.taken(bench, "ours", "leaderboard").content["rows"]) == 2


@pytest.mark.slow
def test_the_winner_of_dev_is_told_with_what_is_missing_on_test(tmp_path, monkeypatch, shown_commands):
    bench = Workbench(tmp_path)
    questions = add_questions(bench.store, name="dev")
    for seed, quality in enumerate((0.2, 0.9)):
        add_trial(bench.store, questions, {"corpus.questions": "dev", "fusion.weight": 0.1 + seed / 10}, quality, seed)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    app = tab("Leaderboard")
    drawn = "".join(element.proto.body for element in app.get("html"))
    assert "Winner minus base on dev" in drawn and "inflated by" in drawn and "on test" not in drawn
    assert sum("corpus.questions=test" in command for command in shown_commands) == 2


@pytest.mark.slow
def test_the_frontier_takes_a_third_measure_and_tells_how_sure_each_place_is(bench, shown_commands):
    app = tab("Frontier", cost="Chunks in the index")
    two = shown(app, "On the frontier in")
    assert two["On the frontier in"].between(0, 1).all() and "As measured" in two.columns
    app.selectbox(key="third").set_value("latency_ms").run()
    three = shown(app, "On the frontier in")
    assert "Median latency of a question, ms" in three.columns and not app.exception
    [chart] = charts_of(app)
    told = {"On the frontier of three measures", "Off the frontier"}
    coloured = [trace for trace in chart["data"] if "colorscale" in trace["marker"]]
    assert {trace["name"] for trace in coloured} <= told and not any(trace["showlegend"] for trace in coloured)
    assert "bright: less, which is better" in coloured[0]["marker"]["colorbar"]["title"]["text"]
    assert {trace["name"] for trace in chart["data"] if trace.get("meta") == "sample" and trace["name"] in told} <= told
    assert any("--third latency_ms" in command for command in shown_commands)
    app.selectbox(key="pareto_metric").set_value("mrr").run()
    app.selectbox(key="cost").set_value("latency_ms").run()  # it cannot be third too
    assert app.selectbox(key="third").value == "" and not app.exception


@pytest.mark.slow
def test_effects_show_levels_importance_and_the_chosen_pair(bench, shown_commands):
    app = tab("Effects")
    result = effects.effects(bench, values.select(bench, "s")[1], "ndcg_linear")
    frame = shown(app, "Level")
    assert frame["nDCG@10"].tolist() == [level.mean for effect in result.main for level in effect.levels]
    assert frame["Setting"][0] == "chunking size" and len(frame) == 6
    _, shares, pair = charts_of(app)
    assert "range of the five forests" in [trace.get("name") for trace in shares["data"]]
    assert [trace["name"] for trace in pair["data"] if "lines" in trace["mode"]] == [
        f"fusion dense weight {w}" for w in (0.3, 0.5, 0.7)
    ]
    assert len(shown(app, "Interaction")) == 4 and "interactions (differences of differences) are significant" in texts(app)
    assert {"trials effects s --metric ndcg_linear", "trials importance s --metric ndcg_linear"} <= {
        c[len("python -m core ") :] for c in shown_commands
    }


@pytest.mark.slow
def test_parallel_coordinates_draw_each_recipe_and_the_best_stand_out(bench, shown_commands):
    app = tab("Parallel coordinates")
    board = leaderboard.leaderboard(bench, values.select(bench, "s")[1], "ndcg_linear")
    [chart] = charts_of(app)
    points = {trace["name"]: sum(y is not None for y in trace["y"]) for trace in chart["data"]}
    axes = 3  # size, weight, and the metric
    assert points == {
        "Significantly worse than the best": axes * (9 - board.equals),
        "The best and those not significantly worse": axes * board.equals,
    }
    assert chart["layout"]["xaxis"]["ticktext"] == ["chunking size", "fusion dense weight", "nDCG@10"]
    assert "python -m core trials leaderboard s --metric ndcg_linear --settings" in shown_commands
    best = board.rows[0].trial
    [chart] = charts_of(tab("Parallel coordinates", trials=best.id))
    assert best.title in [trace["name"] for trace in chart["data"]]


@pytest.fixture
def ids(bench) -> list[str]:
    """Newest first."""
    return [trial.id for trial in values.select(bench, "s")[1]]


@pytest.mark.slow
def test_ticked_trials_stand_side_by_side(bench, ids, shown_commands):
    assert "Tick 2 to 5 trials" in texts(tab("Side by side", trials=ids[0]))
    app = tab("Side by side", trials=",".join(ids[:3]))
    questions = shown(app, "Question")
    assert len(questions) == 39 and len(questions.columns) == 4
    won, trace = charts_of(app)[-2:]
    wanted = bench.compare(ids[1], ids[0], "ndcg_linear")
    assert {bar["name"]: bar["x"][0] for bar in won["data"]} == {
        "Won": wanted["wins"],
        "Tied": wanted["ties"],
        "Lost": wanted["losses"],
    }
    assert won["data"][0]["y"] == ["A against B", "A against C", "B against C"]
    assert [len(bar["x"]) for bar in trace["data"]] == [2, 2, 2] and "From the cache: sparse: all" in texts(app).replace("\\", "")
    assert f"python -m core trials side-by-side {' '.join(ids[:3])} --metric ndcg_linear" in shown_commands
    assert "Tick 2 to 5 trials" in texts(tab("Side by side", trials=",".join(ids[:6])))


@pytest.mark.slow
def test_one_article_is_left_out_at_a_time(bench, ids, shown_commands):
    assert "Tick two trials" in texts(tab("Leave one article out", trials=ids[0]))
    app = tab("Leave one article out", trials=f"{ids[0]},{ids[8]}")
    wanted = left_out.left_out(
        bench, *(next(t for t in comparison.trials(bench) if t.id == i) for i in (ids[0], ids[8])), "ndcg_linear"
    )
    assert shown(app, "Left out")["Difference without it"].tolist() == [row.difference for row in wanted.articles]
    assert "with the article as unit" in texts(app) and "Jackknife over articles" in texts(app)
    assert f"python -m core trials left-out {ids[0]} {ids[8]} --metric ndcg_linear" in shown_commands
    app.selectbox(key="left_out_by").set_value("group").run()
    assert "All questions are of one article" in texts(app) and not app.exception


@pytest.mark.slow
def test_of_a_study_the_leaderboard_has_what_its_command_has_and_says_what_is_left_out(tmp_path, monkeypatch, shown_commands):
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    doc = {"id": "halves", "factors": [{"setting": "retrieval.candidates", "values": [30, 40, 50]}]}
    doc |= {"base": {"corpus": {"dataset": "tiny"}}, "design": {"kind": "halving", "trials": 0, "first_questions": 20}}
    book.save(bench, made(doc))
    few, everyone = (add_questions(bench.store, name=f"{n} questions", n=n) for n in (20, 60))
    for questions, points in ((few, (100, 30, 40, 50)), (everyone, (100, 50))):
        for seed, number in enumerate(points):
            add_trial(bench.store, questions, {"retrieval.candidates": number}, 0.9, seed, "halves")
    app = tab("Leaderboard")
    board = leaderboard.leaderboard(bench, results.select(bench, "halves").members, "ndcg_linear")
    assert len(board.rows) == 2 and shown(app, "Place")["nDCG@10"].tolist() == [row.interval.mean for row in board.rows]
    assert "4 trials on 20 questions: an earlier round." in texts(app).replace("\\", "")
    assert "python -m core trials leaderboard halves --metric ndcg_linear" in shown_commands


def edge(tmp_path, monkeypatch, points: list[dict], *tabs: str, unanswerable=1, failed=0) -> str:
    """What these tabs say of such a study, none with an error or a number that is none."""
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    factors = [{"setting": "retrieval.candidates", "values": [30, 40, 50]}, {"setting": "sparse.k1", "values": [0.5, 1.0]}]
    book.save(bench, made({"id": "s", "base": {"corpus": {"dataset": "tiny"}}, "factors": factors}))
    questions, said = add_questions(bench.store, unanswerable=unanswerable), []
    ids = [add_trial(bench.store, questions, point, 0.5, 1, "s") for point in points]
    for _ in range(failed):
        add_failed(bench.store)
    for name in tabs:
        app = open_page(together=name, cost="Chunks in the index", **({"trials": ",".join(ids[:3])} if len(ids) > 1 else {}))
        assert not app.error or "Fewer than two questions" in app.error[0].value
        said.append(texts(app))
        for chart in app.get("plotly_chart"):
            assert "NaN" not in chart.proto.spec
    assert not any("nan" in text.lower().split() for text in said)
    return " ".join(said).replace("\\", "")


GRID = [{"retrieval.candidates": number, "sparse.k1": k1} for number in (30, 40, 50) for k1 in (0.5, 1.0)]


@pytest.mark.slow
def test_a_study_of_one_trial_says_what_is_missing_in_each_tab(tmp_path, monkeypatch):
    said = edge(tmp_path, monkeypatch, GRID[:1], "Leaderboard", "Frontier", "Effects", failed=2)
    for words in ("needs two trials", "it takes two trials", "do not differ in any setting"):
        assert words in said, words
    said = edge(tmp_path / "two", monkeypatch, [GRID[0], GRID[0]], "Effects", "Parallel coordinates")
    assert said.count("do not differ in any setting") == 2


@pytest.mark.slow
def test_a_study_without_any_result_says_that_there_is_nothing_to_compare(tmp_path, monkeypatch):
    said = edge(tmp_path, monkeypatch, GRID[:2], "Leaderboard", unanswerable=40)
    assert "None of these trials measured anything" in said and "It measured no question" in said


@pytest.mark.slow
def test_equal_scores_are_one_group_on_the_frontier_and_without_effects(tmp_path, monkeypatch):
    said = edge(tmp_path, monkeypatch, GRID, "Leaderboard", "Frontier", "Effects")
    assert "5 other recipes; the order among them may be chance" in said and "These recipes do not differ significantly" in said


@pytest.mark.slow
def test_on_two_questions_it_is_said_that_little_can_be_told(tmp_path, monkeypatch):
    assert "Only 2 questions" in edge(tmp_path, monkeypatch, GRID[:3], "Leaderboard", unanswerable=38)
    assert "Fewer than two questions" in edge(
        tmp_path / "one", monkeypatch, GRID[:3], "Side by side", "Parallel coordinates", unanswerable=39
    )
