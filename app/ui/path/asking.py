"""The two presses of the path that make something: a question to begin with, and the result of an experiment in a paper."""

from app import session
from app.ui.experiments import desk, suggesting
from core.config import difference, with_settings
from core.labs.experiments import results
from core.labs.experiments.experiment import Experiment, made, slug
from core.labs.papers import shelf
from core.labs.path import steps
from core.labs.trials.comparison import MOST, direction, label
from core.workbench import command_line

FUSIONS = ("convex", "sparse_only", "dense_only")  # hybrid first: it is the base, so that it is compared with each alone


def hybrid() -> str:
    """Records the experiment that asks whether hybrid search helps on the corpus in use, chooses it, and returns its id."""
    dataset = session.config().corpus.dataset
    base = with_settings(session.defaults(), {"corpus.dataset": dataset, "fusion.part": FUSIONS[0]})
    title, chosen = steps.first_question(dataset), suggesting.halves(base)
    asked = made(
        {
            "id": slug(title),
            "title": title,
            "question": "Does BM25 fused with dense search find the evidence better than BM25 alone, and than dense search alone?",
            "base": difference(base),
            "factors": [{"setting": "fusion.part", "values": list(FUSIONS)}],
            **chosen,
            "confirm": "all" if chosen else "winner",  # the question is about each of them, whichever wins on dev
        }
    )
    name = desk.add(asked)
    session.set_experiment(name)
    return name


def _questions(half: str) -> str:
    return "all questions" if half == "all" else f"the {half} questions"


def into_paper(experiment: Experiment) -> str:
    """Takes what an experiment says into a paper of its title, and returns the paper's id: its recipes by rank, and beside the base,
    with their paired differences and intervals, what it confirms on the test questions, which had no say in the choice: the winner or
    each recipe; where none were kept for that, all recipes on the questions of the choice."""
    from core.labs.papers import paper as papers  # which loads scipy, and a page may do without
    from core.labs.papers import sources

    workbench, title, metric = session.workbench(), experiment.title or experiment.id, experiment.metrics[0]
    ranked = command_line("leaderboard", experiment.id, "--metric", metric)
    on = f"{_questions(experiment.choose_on)} of {experiment.recipe.corpus.dataset}"
    papers.add_table(workbench, title, "recipes", ranked, f"All recipes on {on}, the best first.")
    half = experiment.report_on or experiment.choose_on
    who = "The best recipe of the dev questions" if experiment.report_on and experiment.confirm == "winner" else "Each recipe"
    where = f"on {half}" if experiment.report_on else "against the base"
    asked = results.on_report(experiment, results.of_study(workbench, experiment))
    base = results.baseline_of(workbench, asked)
    seed = next((trial.config["seed"] for trial in asked if trial.id == base), None)  # of repeats one each, on the same seed
    asked = [trial for trial in asked if trial.config["seed"] == seed]
    if base and len(asked) > 1:
        best = sorted(asked, key=lambda trial: -direction(metric) * trial.metrics.get(metric, 0.0))
        ids = [base, *(trial.id for trial in best if trial.id != base)][:MOST]
        compared = command_line("trials-table", *ids, "--metric", metric, "--reference", base)
        on = f"{_questions(half)} of {experiment.recipe.corpus.dataset}"
        on += f", with seed {seed}" * (experiment.repeats > 1)
        name = next(trial.title for trial in asked if trial.id == base)
        caption = f"{who} and the base ({name}) on {on}."
        papers.add_table(workbench, title, where, compared, caption)
        named = {"kind": "figure", "name": f"difference-{where}".replace(" ", "-"), "drawing": "differences"}
        told = f"Paired differences in {label(metric, asked[0].k)} from the base ({name}) on {on}."
        papers.add(workbench, shelf.last(workbench), named | {"command": sources.split(compared), "caption": told})
    return shelf.last(workbench)
