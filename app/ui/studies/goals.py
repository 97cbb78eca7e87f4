"""What a study has to show, and the values that a plan for it assumes."""

from core.annotation.pilot import Pilot
from core.annotation.study import Study, systems_of

SHARE = {"min_value": 0.0, "max_value": 1.0, "step": 0.01}
VALUES = {  # goal -> value -> (label, help, bounds)
    "difference": {
        "rate": ("Share of the weaker system", "Share of right answers of the weaker system.", SHARE),
        "difference": ("Difference worth finding", "The smallest difference that would matter to you.", SHARE | {"min_value": 0.01}),
        "discordant": ("Discordant questions", "Share of questions on which the systems truly differ. "
                                                          "Fewer: easier to detect.", SHARE),
        "accuracy": ("Accuracy of one label", "How often one annotator's label is correct.", SHARE | {"min_value": 0.5}),
        "level": ("Level of the test", "", SHARE | {"min_value": 0.001, "max_value": 0.2}),
        "target": ("Power wanted", "Chance to detect the difference if it exists.", SHARE | {"min_value": 0.5, "max_value": 0.99}),
    },
    "means": {
        "difference": ("Difference worth finding (points)", "On the scale of 1 to 5.", {"min_value": 0.01, "max_value": 4.0, "step": 0.05}),
        "sd_items": ("Spread over questions (SD)", "Of the true difference.", {"min_value": 0.01, "max_value": 4.0, "step": 0.05}),
        "sd_label": ("Spread of one label (SD)", "Of one annotator.", {"min_value": 0.0, "max_value": 4.0, "step": 0.05}),
        "level": ("Level of the test", "", SHARE | {"min_value": 0.001, "max_value": 0.2}),
        "target": ("Power wanted", "Chance to detect the difference if it exists.", SHARE | {"min_value": 0.5, "max_value": 0.99}),
    },
    "rate": {
        "rate": ("Expected share", "Of judgements that are yes, as supported.", SHARE),
        "alpha": ("Expected alpha", "The more annotators agree, the less an additional one adds.", SHARE),
        "target": ("Half-width wanted", "Of the 95% interval.", SHARE | {"min_value": 0.005, "max_value": 0.5, "step": 0.005}),
    },
    "alpha": {
        "alpha": ("Expected alpha", "Nominal.", SHARE | {"max_value": 0.99}),
        "frequent": ("Share of the most frequent label", "Others share the rest.", SHARE | {"min_value": 0.05, "max_value": 0.97}),
        "categories": ("Labels in use", "", {"min_value": 2.0, "max_value": 9.0, "step": 1.0, "format": "%d"}),
        "target": ("Half-width wanted", "Of the 95% interval.", SHARE | {"min_value": 0.01, "max_value": 0.5}),
    },
}  # fmt: skip
TESTS = {
    "difference": "McNemar's exact test of a difference between two shares",
    "means": "the paired t test of a difference between two means",
    "rate": "the width of Wilson's interval of a share",
    "alpha": "the width of the interval of alpha",
}
METHODS = {
    "difference": "McNemar's exact test on the majority label of each answer. It counts questions that both systems answered. Two "
                  "annotators decide no better than one: a tie falls to either side.",
    "means": "Paired t test on the mean score of each answer. It counts questions that both systems answered.",
    "rate": "Wilson's interval, with labels of one item counted by how much they agree. An item is one yes or no: sentences of one answer "
            "resemble each other, so count answers to be on the safe side.",
    "alpha": "Delta method where 30 items or more have other labels than the most frequent. Below that the line is of 2,000 simulated "
             "studies too, and it ends where one in 40 of them would have no variation. All annotators are assumed alike, and an item here "
             "is one unit that is labelled: sentences of one answer resemble each other, so count answers to be on the safe side.",
}  # fmt: skip


def planned_test(study: Study, goal: str, pilot: Pilot | None) -> str:
    """The plan's own test beside the one that is planned for; what was judged in parts, and counts as a whole here, in both."""
    told = f"The plan's test: {study.test.rstrip('.') or 'none'}. This tab plans {TESTS[goal]}."
    if goal != "difference" or "sentences" not in study.ask:
        return told
    told += " The plan's measure counts sentences, this one whole answers: take its numbers as a rough guide."
    if pilot and {"rate", "difference"} <= pilot.values.keys():
        parts, wholes = pilot.values["rate"]["rate"], pilot.values["difference"]["rate"]
        told += f" In the pilot {parts:.3f} of the sentences are supported, and all sentences in {wholes:.3f} of the answers."
    return told


def usual_goal(study: Study) -> str:
    """What a study has to show, by what it can ask."""
    return "rate" if study.kind == "rating" and len(systems_of(study)) < 2 else "difference"


def answers_each(study: Study, goal: str) -> int:
    """Answers that a unit of the plan takes."""
    return max(len(systems_of(study)), 2) if goal in ("difference", "means") and study.kind == "rating" else 1


def noun(goal: str) -> str:
    return "questions" if goal in ("difference", "means") else "items"
