"""A study that is labelled as a test says."""

from core.annotation import rounds, saving
from core.annotation.assignment import assignment
from core.annotation.labels import blank


def labelled(workbench, study, say):
    """say(annotator, item number) -> what changes in a blank label."""
    frozen = rounds.freeze(workbench, study, "main")
    for number, item in enumerate(study.round_items("main")):
        for who, mine in assignment(study, "main").items():
            if item.id in mine:
                label = blank(study, "main", item, who)
                given = say(who, number)
                if isinstance(given, str):
                    given = {"sentences": tuple((given,) * len(one) for one in label.sentences), "helpful": (3 + number % 3,)}
                saving.label(workbench, frozen, label.model_copy(update={"seconds": 9.0, **given}))
    return frozen


def by_place(who, number):
    return "partly" if number % 3 == 0 or (who == "Cy" and number % 2) else "supported"
