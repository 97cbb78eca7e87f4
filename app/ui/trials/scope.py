"""What the tabs look at together: trials that answered the same questions by the same rules, and a metric."""

from typing import NamedTuple

import streamlit as st

from app import session
from core.evaluation.metric import MAIN, metric_names
from core.labs.trials import comparison, values
from core.labs.trials.comparison import Trial
from core.workbench import command_line


class Scope(NamedTuple):
    questions: str  # the group in words
    members: list[Trial]  # newest first; of equal recipes the newest
    chosen: list[Trial]  # the ticked ones among them
    same: list[Trial]  # all trials of the store on these questions
    metric: str
    everything: list[Trial]

    @property
    def head(self) -> str:
        return comparison.label(self.metric, self.members[0].k)

    def command(self, verb: str, *words: str) -> str:
        """What prints a tab's numbers: by the sweep or the corpus where these are all of its trials, else by their ids."""
        which = values.words_for(session.workbench(), self.members, self.everything)
        return command_line(verb, *which, "--metric", self.metric, *words)


def choose(shown: list[Trial], everything: list[Trial], chosen: list[Trial]) -> Scope | None:
    """Trials that can be compared with the ticked ones; with none ticked, with the choice of the questions. None: nothing
    was measured."""
    workbench = session.workbench()
    offered = values.offered(workbench, shown, chosen)
    if not offered:
        return None
    left, right = st.columns([1, 2])
    metrics = metric_names()
    metric = left.selectbox(
        "Metric", metrics, metrics.index(MAIN), format_func=comparison.label, key="pareto_metric", bind="query-params"
    )
    name = next(iter(offered))
    if len(offered) > 1:
        name = right.selectbox("Questions", list(offered), key="same_questions", bind="query-params")
    members = offered[name]
    ticked = [trial for trial in chosen if trial.group == members[0].group]
    return Scope(name, members, ticked, values.alike(workbench, everything, members[0]), metric, everything)
