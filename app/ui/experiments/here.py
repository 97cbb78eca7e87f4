"""An experiment on the page where its question comes up: one or two settings, what they take, one press, and what comes of it.

It is recorded like every study, by what it varies and of which recipe, so that the same choice finds it again: also while the
slider of a varied setting moves, and after its values were changed, which adds to what is measured.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, forms, jobs, ways
from app.ui.experiments import curves, define, desk, factors, failures, leaderboard, running, words
from app.ui.halves import no_questions
from core.config import PartConfig, TrialConfig, difference, fingerprint
from core.errors import WorkbenchError
from core.evaluation.metric import judges
from core.labs.experiments import book, results
from core.labs.experiments.book import Shelved
from core.labs.experiments.designs import points
from core.labs.experiments.estimate import Outlook, estimate
from core.labs.experiments.experiment import Experiment, made, part_of, slug
from core.labs.experiments.standing import StudyStanding
from core.labs.trials import comparison
from core.workbench import Forecast

LIVE_S = 2.0  # between two looks at what is measured so far
MOST_ELSEWHERE = 3  # studies with another base, and settings named of each
NOTHING_ELSE = "none"
Suggested = Mapping[str, Sequence[Any]]


def draw(config: TrialConfig, suggested: Suggested) -> None:
    """suggested: the settings to begin with, one or two, with their values; without values some around the one in use."""
    if not session.workbench().corpus(config).measurable:
        return no_questions(config, ", so there is nothing to measure", gold=True)
    asked = "the dev half of the questions" if config.corpus.questions == "dev" else "all questions"
    with_what = "the recipe in use: the base" if define.pinned_baseline(config) is None else "the pinned baseline"
    st.caption(f"Each combination is measured on {asked}, and compared, question by question, with {with_what}.")
    varied = chosen(config, suggested)
    try:
        experiment = planned(config, varied)
    except WorkbenchError as error:
        return st.warning(cards.plain(words.why(error, [factor["setting"] for factor in varied])), icon=":material/error:")
    stands, _, works = running.state(experiment.id)
    with st.container(border=True, key="study_panel"):
        measured = running.stored(stands)
        others = [] if works or measured else book.from_other_bases(session.workbench(), experiment)
        running.watch(experiment.id, works, measured, partial(waiting, experiment, bool(others)))
        elsewhere(experiment, others)
    if stands:
        st.fragment(said, run_every=LIVE_S if works else None)(experiment)


# --- what is varied ---------------------------------------------------------------------------------------------------


def chosen(config: TrialConfig, suggested: Suggested) -> list[dict[str, Any]]:
    """The factors: one setting, or two."""
    first, second = [*suggested, NOTHING_ELSE][:2]
    left, right = st.columns(2)
    offered = factors.offered(config, ())
    setting = setting_box(
        left, "Vary", "study_vary", {name: offered[name] for name in (*suggested, *offered) if name in offered}, first
    )
    if stage := part_of(setting):  # the settings of whatever is compared
        offered = factors.offered(config, [{"setting": setting, "values": factors.choices(setting, None)}])
        offered.pop(stage)
    offered.pop(setting, None)
    other = setting_box(right, "and", "study_and", {NOTHING_ELSE: "Nothing else"} | offered, second)
    varied = [name for name in (setting, other) if name != NOTHING_ELSE]
    there = book.latest(session.workbench()).get(study_id(config, varied))
    before = {factor.setting: factor.values for factor in there.experiment.factors} if there else {}
    left, right = st.columns(2)
    return [
        {"setting": name, "values": values_box(place, config, name, suggested.get(name, ()), before.get(name, ()))}
        for place, name in zip((left, right), varied, strict=False)
    ]


def setting_box(place: Any, title: str, key: str, options: dict[str, str], usual: str) -> str:
    usual = usual if usual in options else next(iter(options))
    if key in st.session_state and st.session_state[key] not in options:  # of a recipe, or of a page, before
        st.session_state[key] = usual
    names = list(options)
    return place.selectbox(title, names, names.index(usual), key=key, format_func=options.get, bind="query-params")


def values_box(place: Any, config: TrialConfig, setting: str, suggested: Sequence[Any], recorded: Sequence[Any]) -> list[Any]:
    """The values of a setting: as they are recorded, as they were chosen here, or as suggested, which follows the recipe."""
    knob, key, state = words.knob_of(setting, config), f"study_values/{setting}", st.session_state
    first = [words.as_token(value) for value in suggested or factors.first_values(setting, config)]
    tokens = [words.as_token(value) for value in recorded] or first
    before = state.setdefault("study_suggested", {}).get(setting)
    if key in state and state[key] == before != first and not recorded:
        state[key] = first
    state.study_suggested[setting] = first
    options = dict.fromkeys([*tokens, *state.get(key, ()), *map(words.as_token, factors.choices(setting, knob))])
    typed = place.multiselect(
        f"{words.setting_title(setting, config)}{f' ({knob.unit})' if knob and knob.unit else ''}",
        list(options),
        tokens,
        key=key,
        format_func=partial(words.token_words, setting, knob, config),
        accept_new_options=True,
        placeholder="Choose, or type a value and press Enter",
        help=knob.help if knob else "Each method with its own settings at their defaults, unless others are given.",
        wrap=True,
        persist_state="page",
    )
    return factors.of_tokens(typed, knob)


def as_value(part: PartConfig, apart: Sequence[str] = ()) -> Any:
    """A part as a value of its stage: its name, and what of its settings differs from the defaults."""
    own = {
        name: value
        for name, value in part.model_dump(mode="json").items()
        if name not in ("part", *apart) and value != type(part).model_fields[name].default
    }
    return {"part": part.part, **own} if own else part.part


def study_id(config: TrialConfig, varied: Sequence[str]) -> str:
    """Of an experiment of this recipe that varies these settings, over whatever values."""
    rest = config.model_dump(mode="json")
    for setting in varied:
        stage, _, name = setting.partition(".")
        if part_of(setting) or not name:
            rest[stage] = None
        elif rest[stage]:
            rest[stage].pop(name, None)
    return f"{slug(title_of(config, varied))[:70]}-{fingerprint(rest, sorted(varied))[:6]}"


def title_of(config: TrialConfig, varied: Sequence[str]) -> str:
    """ "Chunking method and chunking size, xquad"."""
    named = " and ".join(words.setting_title(setting, config).replace(": ", " ").lower() for setting in varied)
    return f"{named[:1].upper()}{named[1:]}, {config.corpus.dataset}"


def planned(config: TrialConfig, varied: Sequence[dict[str, Any]]) -> Experiment:
    """The experiment of this choice; one that is recorded keeps what was written about it, and how it is judged."""
    settings = [factor["setting"] for factor in varied]
    name, half = study_id(config, settings), config.corpus.questions
    base = define.without_questions(config)
    there = book.latest(session.workbench()).get(name)
    written = {
        "title": title_of(config, settings),
        "tags": [st.session_state.page.replace("_", " ")],  # the question was asked there
        "choose_on": "dev" if half == "dev" else "all",
    }
    document = there.experiment.model_dump(mode="json") if there else {"id": name, **written}
    compared = define.pinned_baseline(config)
    # a trial that somebody chose to compare with counts as long as no baseline is pinned
    with_what = {"against": compared} if compared is None else {"against": compared, "baseline": ""}
    return made(document | {"base": difference(base), "factors": list(varied), "archived": False} | with_what)


# --- what it takes, and the one button --------------------------------------------------------------------------------


def waiting(experiment: Experiment, others: bool, stands: StudyStanding | None, job: Any) -> None:
    """others: whether the same settings are measured with another base."""
    outlook = estimate(session.workbench(), experiment)
    left, failed = outlook.trials - outlook.stored, len(stands.failures) if stands else 0
    untouched = "Not measured with this base" if others else "Not started"
    head = untouched if not outlook.stored else "All trials are measured" if left <= 0 else f"{left:,} to measure"
    failure = ""
    if left > 0 and stands:
        head = running.HEADS.get(stands.status, head) if stands.status not in ("done", "new") else head
        failure = stands.message if stands.status == "failed" else job.error if job and job.status in ("failed", "died") else ""
    reasons = [running.line(reason, "gw-small") for reason in left_out(experiment)]
    few = f"{cards.count(failed, 'trial')} failed" if failed else ""
    told = *map(running.line, (outlook.words, context_words(experiment, outlook))), *reasons, *map(running.line, (few, failure))
    running.box(head, *told)
    if left > 0:
        label = (
            "Start the experiment" if not outlook.stored else "Retry what failed" if left <= failed else f"Measure {left:,} more"
        )
        about = "Runs as a job: the page can be left. What is measured already is not measured again."
        cards.press(label, "play_arrow", "start_study_here", start, experiment, outlook.forecast, type="primary", help=about)


def start(experiment: Experiment, takes: Forecast) -> None:
    """Callback: the experiment is recorded and run."""
    book.save(session.workbench(), experiment)
    jobs.start(running.arguments(experiment.id), f"Experiment: {experiment.title}"[:120], takes)


def elsewhere(experiment: Experiment, others: Sequence[Shelved]) -> None:
    """Ways to what was measured of the same settings with another base."""
    for row in others[:MOST_ELSEWHERE]:
        base, varied = row.experiment.recipe, {factor.setting for factor in experiment.factors}
        parts = {factor.stage for factor in experiment.factors if factor.compares_parts}
        paths = [path for path in difference(base, experiment.recipe) if path not in varied and path.split(".")[0] not in parts]
        settings = "; ".join(forms.setting_words(path, base) for path in paths[:MOST_ELSEWHERE])
        more = f" and {len(paths) - MOST_ELSEWHERE} more" if len(paths) > MOST_ELSEWHERE else ""
        label = f"Measured with another base{': ' * bool(settings)}{cards.plain(settings)}{more}. Open it"
        ways.link("run_study", label, "science", study=row.experiment.id)


def context_words(experiment: Experiment, outlook: Outlook) -> str:
    """What a question's first k chunks come to."""
    k = experiment.recipe.evaluation.k
    if outlook.context_tokens is None:
        return f"Context of the first {k} chunks: counted once the documents are chunked"
    low, high = (f"{tokens:,.0f}" for tokens in outlook.context_tokens)
    return f"Context of the first {k} chunks: about {low if low == high else f'{low} to {high}'} tokens a question"


def left_out(experiment: Experiment) -> list[str]:
    """What of the choice is no recipe, with the reason."""
    recipe = experiment.recipe
    told: dict[str, list[str]] = {}
    for settings, reason in points(experiment).left_out:
        name = " · ".join(words.with_name(setting, value, recipe) for setting, value in settings.items())
        told.setdefault(reason, []).append(name)
    return [f"Left out: {'; '.join(names)}. {reason[:1].upper()}{reason[1:]}." for reason, names in told.items()]


# --- what it says -----------------------------------------------------------------------------------------------------


def said(planned: Experiment) -> None:
    """The result so far, in place, compared with what is pinned now."""
    name = planned.id
    with cards.calm(), st.container(key="study_live"):
        here = desk.on_desk(name)
        now = {"against": planned.against, "baseline": planned.baseline}
        here = here._replace(recorded=here.recorded.model_copy(update=now))
        measured = results.question_sets(here.recorded, here.trials)
        if measured:
            curves.draw(here)
            best = verdict(here)
            if planned.compared_with and not compared(here):
                st.caption("The pinned baseline is not measured on these questions yet: differences from the base are shown.")
        if here.trials and any(trial.status == "failed" for trial in here.trials) and running.state(name)[0].failures:
            with st.expander("Trials without a result", icon=":material/error:", key="study_failures"):
                failures.draw(here)
        with st.container(horizontal=True, vertical_alignment="center"):
            if measured and best != session.config() and st.button("Use the best", key="use_best", icon=":material/tune:"):
                session.set_config(best)
                st.rerun()  # the whole page, whose sliders show it
            ways.link("run_study", "Open in Experiments", "science", study=name)
            ways.link("compare_trials", "Compare in Trials", "compare_arrows", sweep=name)


def compared(here: desk.StudyDesk) -> bool:
    """Whether the baseline is measured on the questions that the result is of."""
    members = results.question_sets(here.recorded, here.trials)[0]
    return results.results(session.workbench(), here.recorded, members, metric_of(here)).reference == results.BASELINE


def metric_of(here: desk.StudyDesk) -> str:
    return st.session_state.get("study_metric") or next(name for name in here.recorded.metrics if judges(name))


def verdict(here: desk.StudyDesk) -> TrialConfig:
    """The best and those not significantly worse in words, and what their context is. Its recipe, to be asked the questions in use."""
    members = results.question_sets(here.recorded, here.trials)[0]
    shown = results.results(session.workbench(), here.recorded, members, metric_of(here))
    names = words.point_names(here.recorded, [row.trial for row in shown.rows])
    leaderboard.verdict(shown, names)
    contexts = {row.trial.id: results.context(row.trial) for row in shown.rows}
    tokens = {trial: count for trial, count in contexts.items() if count}
    if tokens and comparison.context_differs(tokens.values()):
        low, high = min(tokens, key=tokens.get), max(tokens, key=tokens.get)
        st.caption(
            cards.plain(
                f"The first {shown.k} chunks are {tokens[low]:,.0f} tokens at {names[low]} and {tokens[high]:,.0f} at {names[high]}. "
                "More text holds more evidence by itself: of two recipes that do not differ, the smaller context costs less. "
                "Set Along to Context to plot each recipe by its context."
            )
        )
    in_use = session.config()
    return comparison.recipe(shown.best).model_copy(update={"corpus": in_use.corpus, "evaluation": in_use.evaluation})
