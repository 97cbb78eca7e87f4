"""The bar of the path: what is done follows from what is stored, and the press that comes next leads to where it is done."""

import pytest

from app import session
from app.ui.papers import adding
from app.ui.path import asking, bar
from core.labs.experiments import book
from core.labs.experiments.experiment import made
from core.labs.experiments.standing import Announced
from core.labs.papers import paper as papers
from core.labs.path import steps
from core.store.batches import batches
from core.workbench import Workbench
from tests.support.annotated import frozen_study, judge_all
from tests.support.screen import html, visit
from tests.support.synthetic_trials import add_questions, add_trial


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Workbench:
    bench = Workbench(tmp_path)
    monkeypatch.setattr(session, "workbench", lambda: bench)
    monkeypatch.setattr(bench.jobs, "start", lambda *_: "job")
    return bench


def states(bench: Workbench, dataset: str = "hills", questions: int = 39) -> dict[str, str]:
    version = steps.in_use(bench, dataset)
    return {step.name: step.state for step in steps.path(bench, dataset, questions, version and version.experiment)}


def test_the_steps_follow_from_what_is_stored(bench):
    store, of = bench.store, add_questions(bench.store, name="hills", dataset="hills")
    assert states(bench) == dict.fromkeys(steps.TITLES, "open") | {"question": "next", "corpus": "done", "people": "aside"}
    assert states(bench, questions=0)["corpus"] == "next"
    add_trial(store, of, {"corpus.dataset": "hills"})
    assert [name for name, state in states(bench).items() if state == "next"] == ["compare"], "who measures has a question"
    add_trial(store, of, {"corpus.dataset": "hills"}, seed=1)
    assert states(bench)["compare"] == "next", "the same recipe again is no second one"
    add_trial(store, of, {"corpus.dataset": "hills", "fusion.weight": 0.2}, seed=2)
    assert states(bench)["confirm"] == "next" and states(bench, "plains")["question"] == "next"
    add_trial(store, of, {"corpus.dataset": "hills", "corpus.questions": "test"}, seed=3)
    assert states(bench)["paper"] == "next", "there are no answers that people could judge"
    paper = papers.create(bench, "On fusion")
    assert steps.paper_stands(bench, paper.id) == (False, "nothing in it yet")


def test_people_are_done_where_they_judged_answers_to_this_corpus(bench):
    study = frozen_study(bench)
    judge_all(bench, study)
    assert states(bench)["people"] == "aside", "answers that are not stored here belong to no corpus"
    source = study.study.items[0].responses[0].source
    batches(bench.home).add("system_answers", {source: {"dataset": "hills", "question": "Why?", "answer": "So."}}, {})
    assert states(bench)["people"] == "done" and states(bench, "plains")["people"] == "aside"


def test_the_steps_of_an_experiment_follow_from_its_own_trials_and_papers(bench):
    store, of = bench.store, add_questions(bench.store, name="hills", dataset="hills")
    for seed, settings in enumerate(({}, {"fusion.weight": 0.2}, {"corpus.questions": "test"})):
        add_trial(store, of, settings, seed=seed)
    factors = [{"setting": "fusion.weight", "values": [0.1, 0.9]}]
    asked = {"base": {"corpus.dataset": "hills"}, "factors": factors, "choose_on": "dev", "report_on": "test"}
    book.save(bench, made({"id": "weights", **asked}))
    assert states(bench)["compare"] == "next", "trials of others answer no question of this experiment"
    for seed, half in enumerate(("dev", "dev", "test"), 3):
        add_trial(store, of, {"fusion.weight": seed / 10, "corpus.questions": half}, seed=seed, sweep="weights")
    with Announced(bench.home, "weights", "here"):
        assert (states(bench)["compare"], states(bench)["paper"]) == ("next", "open"), "half an experiment is no result"
    assert states(bench)["confirm"] == "done"
    book.save(bench, made({"id": "weights", **asked, "confirm": "all"}))
    assert states(bench)["confirm"] == "next", "one of two recipes is on test, and the question is about each"
    add_trial(store, of, {"fusion.weight": 0.9, "corpus.questions": "test"}, seed=9, sweep="weights")
    paper = papers.create(bench, "On something else")
    assert states(bench)["paper"] == "next" and steps.paper_of(bench, steps.in_use(bench, "hills").experiment) == ""
    papers.add_table(bench, paper.id, "weights", "leaderboard weights --metric recall")
    assert steps.paper_of(bench, steps.in_use(bench, "hills").experiment) == paper.id
    assert steps.in_use(bench, "plains", "weights") is None, "it is on another corpus"
    bundle = bench.home / "bundles" / f"{paper.id}.zip"
    bundle.parent.mkdir(exist_ok=True)
    bundle.write_bytes(b"")
    assert states(bench)["paper"] == "done" and states(bench, "plains")["paper"] == "open", "nothing is measured there"


def test_what_was_chosen_on_all_questions_is_not_confirmed_and_goes_on_to_the_paper(bench):
    store, of = bench.store, add_questions(bench.store, name="hills", dataset="hills")
    factors = [{"setting": "fusion.weight", "values": [0.7, 0.8]}]
    book.save(bench, made({"id": "all", "base": {"corpus.dataset": "hills"}, "factors": factors}))
    for seed in (7, 8):
        add_trial(store, of, {"fusion.weight": seed / 10}, seed=seed, sweep="all")
    assert (states(bench)["confirm"], states(bench)["paper"]) == ("aside", "next")


def test_people_judge_no_experiment_on_retrieval_alone_though_a_question_was_asked_beside_it(bench, monkeypatch):
    asked = {"base": {"corpus.dataset": "hills"}, "factors": [{"setting": "fusion.weight", "values": [0.1, 0.9]}]}
    monkeypatch.setattr(steps, "ANSWERED", "SELECT 1 AS n WHERE ? != ''")
    for metrics, state in ((["ndcg_linear"], "aside"), (["ndcg_linear", "f1"], "open")):
        book.save(bench, made({"id": "weights", **asked, "metrics": metrics}))
        assert states(bench)["people"] == state


@pytest.mark.parametrize(("following", "at"), [("confirm", "confirm"), ("compare", "compare"), ("paper", "compare")])
def test_a_page_on_which_several_steps_are_done_stands_at_the_one_that_is_next(bench, monkeypatch, following, at):
    order = ["question", "corpus", "recipe", "compare", "confirm", "people", "paper"]
    taken = [steps.PathStep(name, "next" if name == following else "done", "") for name in order]
    factors = [{"setting": "fusion.weight", "values": [0.1, 0.9]}]
    book.save(bench, made({"id": "weights", "factors": factors, "choose_on": "dev", "report_on": "test"}))
    stood = []
    monkeypatch.setattr(steps, "path", lambda *_: taken)
    monkeypatch.setattr(bar, "_step", lambda step, to, here: stood.append(step.name) if here else None)
    bar.draw("run_study", 39)
    assert stood == [at]


@pytest.mark.parametrize(("paper", "led"), [("open", "paper"), ("done", "people")])
def test_who_writes_the_paper_is_not_led_back_to_people(bench, monkeypatch, paper, led):
    taken, led_to = [steps.PathStep("people", "next", ""), steps.PathStep("paper", paper, "")], []
    monkeypatch.setattr(steps, "path", lambda *_: taken)
    monkeypatch.setattr(bar, "_next", lambda step, *_, **__: led_to.append(step.name))
    bar.draw("write_paper", 39)
    assert led_to == [led]


def test_without_an_experiment_a_paper_is_begun_by_its_page(bench):
    app = visit("write_paper")
    assert not app.exception and not [button for button in app.button if button.key == "path_next"]
    assert "Next, on this page: Create" in html(app)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "own"), [("compare_trials", "Open Search, live"), ("design_study", "Answer the questions")])
def test_beside_a_pages_own_blue_button_that_of_the_path_is_not_filled(bench, page, own):
    app = visit(page)
    assert not app.exception and "path_next" in [button.key for button in app.button]
    assert [button.label for button in app.button if button.proto.type == "primary"] == [own]


@pytest.mark.slow
def test_the_bar_leads_from_no_question_to_an_experiment_and_is_folded_elsewhere(bench):
    app = visit("browse_corpus")
    assert not app.exception and not app.error
    app = next(button for button in app.button if button.key == "path_next").click().run()
    [version] = book.latest(bench).values()
    assert version.experiment.title == "Does hybrid search help on python-reference?" and not app.exception
    assert (version.experiment.choose_on, version.experiment.report_on) == ("dev", "test")
    assert [title.value for title in app.title] == [version.experiment.title]
    assert version.experiment.id in app.query_params["experiment"]
    folded = visit("tune_sampling", {"corpus.dataset": "nothing-here"})
    assert not [button for button in folded.button if button.key == "path_next"]
    assert "Next: add questions" in [link.proto.label for link in folded.get("page_link")]


def test_of_repeats_the_paper_of_an_experiment_compares_one_of_each_recipe_on_the_same_seed(bench):
    said = {"id": "s", "base": {"corpus.dataset": "hills"}, "factors": [{"setting": "sparse.k1", "values": [0.5, 1.5]}]}
    asked = made(said | {"choose_on": "dev", "report_on": "test", "confirm": "all", "repeats": 2})
    book.save(bench, asked)
    of = add_questions(bench.store, 60, name="hills", dataset="hills")
    for number, k1 in enumerate((1.5, 0.5)):
        for seed in (0, 1):
            settings = {"corpus.dataset": "hills", "corpus.questions": "test", "sparse.k1": k1, "seed": seed}
            add_trial(bench.store, of, settings, seed=2 * number + seed, sweep="s")
    asking.into_paper(asked)
    [paper] = papers.papers(bench)
    [compared] = [item for item in paper.items if item.kind == "figure"]
    named = [row for row in bench.store.query("SELECT id, seed FROM trials") if row["id"] in compared.command]
    assert len(named) == 2 and {row["seed"] for row in named} == {int(compared.caption.rstrip(".").rpartition(" ")[2])}
    axis = papers.taken(bench, paper.id, compared.name).content["figure"]["layout"]["xaxis"]["title"]["text"]
    assert axis.startswith("nDCG@10: difference from ") and compared.caption.startswith("Paired differences in nDCG@10 from ")


def test_where_less_is_better_the_least_comes_first_in_what_a_paper_is_offered_of_an_experiment(bench, monkeypatch):
    factors = [{"setting": "sparse.k1", "values": [0.5, 1.0, 1.5]}]
    book.save(bench, made({"id": "s", "factors": factors, "metrics": ["noise"], "answers": 5}))
    add_trial(bench.store, add_questions(bench.store), sweep="s")
    rows = [{"trial": of, "noise": value, "p (Holm)": 0.5, "group": "best"} for of, value in (("b", 0.4), ("c", 0.2), ("d", 0.9))]
    monkeypatch.setattr(adding.results, "measured", lambda *_: rows)
    monkeypatch.setattr(adding.forms, "one_of_many", lambda *_: "s")
    assert adding.trials_at_hand() == ["c", "b", "d"]
