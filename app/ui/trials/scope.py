"""What the tabs look at together: trials that answered the same questions by the same rules, and a metric."""

from typing import NamedTuple

import streamlit as st

from app.ui.trials.table import last_repeats
from core.evaluation.metric import MAIN, metric_names
from core.labs.trials import comparison
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
        return command_line(verb, *self._which(), "--metric", self.metric, *words)

    def _which(self) -> list[str]:
        ids = {trial.id for trial in self.members}
        [sweep, *others] = {trial.sweep for trial in self.members}
        if sweep and not others and ids == _largest([trial for trial in self.everything if trial.sweep == sweep]):
            return [sweep]
        dataset = self.members[0].dataset
        if ids == _largest([trial for trial in self.everything if trial.dataset == dataset]):
            return ["--dataset", dataset]
        return ["--only", *(trial.id for trial in self.members)]


def choose(shown: list[Trial], everything: list[Trial], chosen: list[Trial]) -> Scope | None:
    """Trials that can be compared with the ticked ones; with none ticked, with the choice of the questions. None: nothing
    was measured."""
    offered = comparison.named_groups(shown)
    if own := {trial.group for trial in chosen}:
        offered = {name: of for name, of in comparison.named_groups([*shown, *chosen]).items() if of[0].group in own}
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
    ticked = [trial for trial in chosen if trial.group == offered[name][0].group]
    members = {trial.id: trial for trial in [*last_repeats(offered[name]), *ticked]}
    same = [trial for trial in everything if trial.group == offered[name][0].group]
    listed = sorted(members.values(), key=lambda trial: trial.id, reverse=True)
    return Scope(name, listed, ticked, same, metric, everything)


def _largest(trials: list[Trial]) -> set[str]:
    """Of these the trials that a command looks at."""
    members = next(iter(comparison.groups(trials).values()), [])
    return {trial.id for trial in last_repeats(members)}
