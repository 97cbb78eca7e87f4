"""What the tabs look at together: trials that answered the same questions by the same rules, and a metric."""

from typing import NamedTuple

import streamlit as st

from core.evaluation.metric import MAIN, metric_names
from core.labs.trials import comparison
from core.labs.trials.comparison import Trial
from core.labs.trials.listing import Listing
from core.labs.trials.values import MOST
from core.workbench import command_line

BEST = 200  # recipes that are looked at where there are more than can be


class Scope(NamedTuple):
    questions: str  # the group in words
    members: list[Trial]  # newest first; of equal recipes the newest; of very many the best
    chosen: list[Trial]  # the ticked ones among them
    same: Listing  # all trials of the store on these questions
    metric: str
    everything: Listing
    more: int  # recipes of lower means, beyond what is looked at together

    @property
    def head(self) -> str:
        return comparison.label(self.metric, self.members[0].k)

    def command(self, verb: str, *words: str) -> str:
        """What prints a tab's numbers: by the sweep or the corpus where these are all of its trials, else by their ids."""
        return command_line(verb, *self._which(), "--metric", self.metric, *words)

    def _which(self) -> list[str]:
        [sweep, *others] = {trial.sweep for trial in self.members}
        if sweep and not others and self._all_of(self.everything.matching(sweep=sweep)):
            return [sweep]
        dataset = self.members[0].dataset
        if self._all_of(self.everything.matching(dataset=dataset)):
            return ["--dataset", dataset]
        return ["--only", *(trial.id for trial in self.members)]

    def _all_of(self, trials: Listing) -> bool:
        """Whether these are what a command looks at that is given these trials."""
        largest = trials.of_group(next(iter(trials.groups().values()), "")).last_repeats()
        if self.more:
            return len(largest) == len(self.members) + self.more
        return set(largest.ids) == {trial.id for trial in self.members}


def choose(shown: Listing, everything: Listing, chosen: list[Trial]) -> Scope | None:
    """Trials that can be compared with the ticked ones; with none ticked, with the choice of the questions. None: nothing
    was measured."""
    ticked = [trial.id for trial in chosen]
    offered = shown.groups()
    if own := everything.groups_of(ticked):
        offered = {name: group for name, group in shown.along(ticked).groups().items() if group in own}
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
    same = everything.of_group(offered[name])
    ticked = set(same.among(ticked).ids)
    members = shown.along(ticked).of_group(offered[name]).last_repeats().along(ticked)
    more = 0
    if len(members) > MOST:
        more = len(members) - BEST
        members = members.best(metric, BEST).along(ticked)
        st.caption(
            f"{more:,} recipes of lower means are left out: of more than {MOST:,} the best {BEST:,} are looked at together. "
            "Filter the table above."
        )
    return Scope(name, list(members), [trial for trial in chosen if trial.id in ticked], same, metric, everything, more)
