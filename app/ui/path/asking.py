"""The two presses of the path that make something: a question to begin with, and the result of an experiment in a paper."""

from app import session
from app.ui.experiments import desk, suggesting
from core.config import difference, with_settings
from core.labs.experiments import results
from core.labs.experiments.experiment import Experiment, made, slug
from core.labs.papers import shelf
from core.labs.path import steps
from core.workbench import command_line

FUSIONS = ("sparse_only", "dense_only", "convex")  # BM25 first: it is the base, with which the others are compared


def hybrid() -> str:
    """Records the experiment that asks whether hybrid search helps on the corpus in use, chooses it, and returns its id."""
    dataset = session.config().corpus.dataset
    base = with_settings(session.defaults(), {"corpus.dataset": dataset, "fusion.part": FUSIONS[0]})
    title = steps.first_question(dataset)
    asked = made(
        {
            "id": slug(title),
            "title": title,
            "question": "Does BM25 fused with dense search find the evidence better than BM25 alone?",
            "base": difference(base),
            "factors": [{"setting": "fusion.part", "values": list(FUSIONS)}],
            **suggesting.halves(base),
        }
    )
    name = desk.add(asked)
    session.set_experiment(name)
    return name


def into_paper(experiment: Experiment) -> str:
    """Takes what an experiment says into a paper of its title, and returns the paper's id: its recipes by rank, and on the
    test questions, which had no say in the choice, the winner beside the base, and their paired difference with its interval."""
    from core.labs.papers import paper as papers  # which loads scipy, and a page may do without
    from core.labs.papers import sources

    workbench, title, metric = session.workbench(), experiment.title or experiment.id, experiment.metrics[0]
    ranked = command_line("leaderboard", experiment.id, "--metric", metric)
    papers.add_table(workbench, title, "recipes", ranked, f"All recipes, by their mean. {title}")
    members = results.of_base(experiment, results.of_study(workbench, experiment))
    tested = {
        trial.config_fingerprint: trial
        for trial in members
        if trial.metrics and experiment.report_on and trial.settings.get("corpus.questions") == experiment.report_on
    }
    base = results.baseline_of(workbench, list(tested.values()))
    if base and len(tested) > 1:
        ids = [base, *(trial.id for trial in tested.values() if trial.id != base)]
        compared = command_line("trials-table", *ids, "--metric", metric, "--reference", base)
        caption = f"The winner and the base on the test questions. {title}"
        papers.add_table(workbench, title, "on test", compared, caption)
        drawn = {"kind": "figure", "name": "difference-on-test", "drawing": "differences", "command": sources.split(compared)}
        papers.add(workbench, shelf.last(workbench), drawn | {"caption": f"The winner's difference to the base. {caption}"})
    return shelf.last(workbench)
