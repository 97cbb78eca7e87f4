"""What the tabs look at together: trials that answered the same questions by the same rules, and a metric."""

from typing import NamedTuple

import streamlit as st

from app import session
from app.ui import cards
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN, metric_names
from core.labs.experiments import book, results
from core.labs.trials import comparison, listing
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
    usual: bool = False  # whether these are what a command looks at that is given their study

    @property
    def head(self) -> str:
        return comparison.label(self.metric, self.members[0].k)

    def command(self, verb: str, *words: str) -> str:
        """What prints a tab's numbers: by the sweep or the corpus where these are all of its trials, else by their ids."""
        return command_line(verb, *self._which(), "--metric", self.metric, *words)

    def _which(self) -> list[str]:
        [sweep, *others] = {trial.sweep for trial in self.members}
        if sweep and not others and (self.usual or self._all_of(self.everything.matching(sweep=sweep))):
            return [sweep]
        dataset = self.members[0].dataset
        if self._all_of(self.everything.matching(dataset=dataset)):
            return ["--dataset", dataset]
        return ["--only", *(trial.id for trial in self.members)]

    def _all_of(self, trials: Listing) -> bool:
        """Whether these are what a command looks at that is given these trials."""
        largest = trials.of_group(next(iter(trials.groups().values()), ""))
        if largest.recipes != len(self.members) + self.more:
            return False
        return bool(self.more) or set(largest.last_repeats().ids) == {trial.id for trial in self.members}


def choose(shown: Listing, everything: Listing, chosen: list[Trial]) -> Scope | None:
    """Trials that can be compared with the ticked ones; with none ticked, with the choice of the questions. None: nothing
    was measured."""
    ticked = [trial.id for trial in chosen]
    study = _study(shown)
    shown = shown.among(study.points) if study else shown
    offered = shown.groups()
    if study:  # what its own page and the commands tell comes first
        offered = {name: offered[name] for name in sorted(offered, key=lambda name: offered[name] not in study.groups)}
    if own := ticked and everything.groups_of(ticked):
        offered = {name: group for name, group in shown.along(ticked).groups().items() if group in own}
    if not offered:
        return None
    left, right = st.columns([1, 2])
    metrics, bare = [*metric_names(), *everything.measures], {"bind": "query-params", "label_visibility": "collapsed"}
    metric = left.selectbox("Metric", metrics, metrics.index(MAIN), format_func=comparison.label, key="pareto_metric", **bare)
    name = next(iter(offered))
    if len(offered) > 1:
        name = right.selectbox("Questions", list(offered), key="same_questions", **bare)
    first = bool(study) and offered[name] in study.groups
    if first and study.told.left_out:
        st.caption(cards.plain("Left out: " + " ".join(study.told.left_out)))
    same = everything.of_group(offered[name])
    ticked = set(same.among(ticked).ids if ticked else ())
    members = shown.along(ticked).of_group(offered[name]).last_repeats().along(ticked)
    more = 0
    if len(members) > MOST:
        more = len(members) - BEST
        members = members.best(metric, BEST).along(ticked)
        st.caption(
            f"{more:,} recipes of worse means are left out: of more than {MOST:,} the best {BEST:,} are compared. "
            "Filter the table above."
        )
    listed = list(members)
    usual = first and {trial.equal for trial in listed} == {trial.equal for trial in study.told.members}
    return Scope(name, listed, [trial for trial in chosen if trial.id in ticked], same, metric, everything, more, usual)


class _Study(NamedTuple):
    """The study that all listed trials are of."""

    told: results.Chosen
    points: list[str]  # ids of the trials of its base
    groups: set[str]  # of those that its choice is made on


def _study(shown: Listing) -> _Study | None:
    workbench, name = session.workbench(), shown.sweep()
    if (version := book.latest(workbench).get(name)) is None:
        return None
    try:
        told = results.select(workbench, name)
    except WorkbenchError:  # nothing is measured
        return None
    points = results.of_base(version.experiment, results.of_study(workbench, version.experiment))
    return _Study(told, [trial.id for trial in points], listing.everything(workbench).groups_of([told.members[0].id]))
