"""What somebody comes back to: the experiment worked on last with its best, and the paper with what happened since."""

from datetime import UTC, datetime

from core.labs.experiments import book
from core.labs.experiments.book import Shelved
from core.labs.experiments.standing import standing
from core.labs.path.steps import UNREAD, paper, paper_stands
from core.progress import counted
from core.workbench import Workbench


def experiment_words(workbench: Workbench, row: Shelved) -> str:
    """How far an experiment is: on which corpus, and of what is measured the recipe with the best mean on the questions on which it
    is chosen."""
    of, corpus = row.experiment, row.experiment.recipe.corpus.dataset
    best = book.best(workbench, [of]).get(of.id)
    if (stands := standing(workbench, of.id)).status == "running":
        return f"on {corpus}, running: {stands.words}"
    if best is None:
        return f"on {corpus}, {counted(row.trials['ok'], 'trial')}" if row.trials.get("ok") else f"on {corpus}, not started"
    half = "" if of.choose_on == "all" else f" ({of.choose_on})"
    return f"on {corpus}{half}, best of {best.recipes:,}: {best.title}, {best.metric} {best.mean:.3f}"


def last_experiment(workbench: Workbench) -> Shelved | None:
    """The one worked on last."""
    return next(iter(book.experiments(workbench)), None)


def paper_words(workbench: Workbench, name: str) -> tuple[str, str]:
    """A paper's title, and how it stands with how many trials were kept since it was changed, which its rankings do not hold."""
    changed = (workbench.home / "papers" / name / "paper.yaml").stat().st_mtime
    [since] = workbench.store.query(
        "SELECT count(*) AS n FROM trials WHERE created > ?", [datetime.fromtimestamp(changed, UTC).replace(tzinfo=None)]
    )
    later = f"; {counted(since['n'], 'trial')} kept since" if since["n"] else ""
    stands = paper_stands(workbench, name)[1]
    return (name if stands == UNREAD else str(paper(workbench, name).get("title") or name)), stands + later
