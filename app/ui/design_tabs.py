"""The tabs of the page Study design on which a study is made: plan, items, rubric, people, and how large it has to be.

A draft that is worked on is a copy of the recorded one, shared by all windows of this server; saving it or freezing a round
records it. What is changed between pilot and main round is recorded at once, as a plan.
"""

import difflib
import re
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, cells, charts, forms, jobs
from core.annotation import answers, draft, latest, rounds, standing, system_names, versions
from core.annotation.assignment import apart, loads, shared
from core.annotation.pilot import Pilot, from_pilot
from core.annotation.power import ASSUMED, GOALS, check_values, curves, discordant_bounds
from core.annotation.rubric import Category, Example, Rubric, default_rubric, old_titles, with_titles
from core.annotation.screen import shown
from core.annotation.study import StopRule, Study, altered, looks, plain, systems_of
from core.config import valid
from core.errors import WorkbenchError

NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn
KINDS = {"rating": "One answer a screen", "pairs": "Two answers side by side (A/B)"}
ASKS = {"sentences": "Is each sentence supported?", "helpful": "How helpful is it, 1 to 5?"}
STOPS = {
    "all_labelled": "All items are labelled",
    "alpha": "Alpha reaches a value",
    "half_width": "The interval of alpha is narrow enough",
}
SPREADS = {
    "question": "Same questions for every system (paired)",
    "system": "Systems",
    "dataset": "Corpora",
    "none": "Nothing: by chance alone",
}
AB = "Side by side needs answers of two systems, and there is one."
FIRST = "have questions answered by another recipe, on the tab Items under More answers"
SIZES = {"equal": "As many of each", "proportional": "Each by its share"}


class Desk(NamedTuple):
    """A study on the desk: as it is recorded, and as it is being changed."""

    frozen: versions.Frozen
    study: Study
    standing: standing.Standing

    @property
    def fixed(self) -> bool:
        """Nothing can be changed any more."""
        return self.frozen.round in ("main", "adjudication")

    @property
    def piloted(self) -> bool:
        return self.frozen.round == "pilot"

    @property
    def changed(self) -> bool:
        return self.study != self.frozen.study

    @property
    def revision(self) -> bool:
        """Is there a version of the rubric that is not in force yet?"""
        return len(self.study.rubrics) > len(self.frozen.study.rubrics)


def desk(frozen: versions.Frozen) -> Desk:
    workbench = session.workbench()
    state, known = standing.state(workbench, frozen), st.session_state.get("design_standing", (None, None))
    if known[0] != state:
        known = st.session_state.design_standing = (state, standing.standing(workbench, frozen))
    return Desk(frozen, _current(frozen), known[1])


@st.cache_resource(show_spinner=False)
def _copies(home: str) -> dict[str, tuple[versions.Frozen, Study]]:
    """Study -> the version that its copy began with, and the copy. Of the server rather than of a window, so that no window
    undoes what another changed, and a reload loses nothing."""
    return {}


@st.cache_resource(show_spinner=False)
def _drawings(home: str) -> dict[str, draft.Drawing]:
    return {}


def drawings() -> dict[str, draft.Drawing]:
    """Study -> how its items were drawn last, with what was asked for; of the server, as the copies are."""
    return _drawings(str(session.workbench().home))


def _current(frozen: versions.Frozen) -> Study:
    """A study as it is being changed."""
    workbench, id = session.workbench(), frozen.study.id
    if frozen.round != "draft":
        return (versions.planned(workbench, id) if frozen.round == "pilot" else None) or frozen.study
    copies = _copies(str(workbench.home))
    base, copy = copies.get(id, (frozen, frozen.study))
    if base.id != frozen.id:  # recorded elsewhere meanwhile, as by a command: what was changed here stays on top
        mine = {name: new for name in Study.model_fields if (new := getattr(copy, name)) != getattr(base.study, name)}
        try:
            copy = altered(frozen.study, mine)
        except WorkbenchError:
            copy = frozen.study
        copies[id] = (frozen, copy)
    return copy


def now(desk: Desk) -> Desk:
    """In a callback: the study as it stands by now. Another window may have changed it since this one was drawn."""
    frozen = versions.load(session.workbench(), desk.study.id)
    return desk._replace(frozen=frozen, study=_current(frozen))


def put(desk: Desk, study: Study) -> None:
    """Callback: the study as it is from now on; after a pilot it is recorded as the plan of the main round."""
    if desk.fixed:
        st.session_state.design_problem = "the main round was frozen in another window."
        return
    if not desk.piloted:
        _copies(str(session.workbench().home))[desk.study.id] = (desk.frozen, study)
        return
    try:
        rounds.plan(session.workbench(), study)
    except WorkbenchError as error:
        st.session_state.design_problem = f"{error.what} {error.todo}"


def change(desk: Desk, **settings: Any) -> None:
    """Callback: the study with these settings, or why that cannot be."""
    desk = now(desk)
    try:
        put(desk, altered(desk.study, settings))
    except WorkbenchError as error:
        st.session_state.design_problem = _said(error)


def _said(error: WorkbenchError) -> str:
    return re.sub(r"^config: |[\w.]+: Value error, ", "", error.what.removeprefix("The configuration is not valid: "))


def _take(desk: Desk, name: str, key: str) -> None:
    change(desk, **{name: st.session_state[key]})


def _field(desk: Desk, name: str, label: str, *, height: int | None = 96, fixed: bool = False, **more: Any) -> None:
    """A text of the study."""
    key = f"{desk.study.id}/{name}"
    forms.show_value(key, getattr(desk.study, name))
    make = st.text_input if height is None else st.text_area
    size = {} if height is None else {"height": height}
    make(label, key=key, on_change=_take, args=(desk, name, key), disabled=fixed or desk.fixed, **size, **more)


# --- plan ------------------------------------------------------------------------------------------------------------


def plan(desk: Desk) -> None:
    """What the study is to find out; all of it is stamped when a round is frozen."""
    study = desk.study
    if desk.fixed:
        stop = STOPS[study.stop.kind] + ("" if study.stop.kind == "all_labelled" else f": {study.stop.value:g}")
        asked = "Which answer is better?" if study.kind == "pairs" else " ".join(ASKS[name] for name in ASKS if name in study.ask)
        return cards.facts(
            [
                ("Question", study.question),
                ("Hypothesis", study.hypothesis or "none"),
                ("Primary measure", study.measure),
                ("Test and its level", study.test or "none"),
                ("On a screen", KINDS[study.kind]),
                ("Asked", asked),
                ("Labelling ends when", stop[0].lower() + stop[1:]),
            ]
        )
    left, right = st.columns([3, 2], gap="large")
    with left:
        _field(desk, "question", "Question", height=80, help="What the study is to find out.")
        _field(desk, "hypothesis", "Hypothesis", height=80, help="What you expect, written down before any label is seen.")
        _field(desk, "measure", "Primary measure", height=None, help="The one number that decides. Others are exploration.")
        _field(desk, "test", "Test and its level", height=80, help="How the number is judged once it is there.")
    with right:
        _field(desk, "title", "Title", height=None)
        key = f"{study.id}/kind"
        forms.show_value(key, study.kind)
        alone = study.kind == "rating" and len(system_names.systems(answers.candidates(session.workbench(), study))) < 2
        st.radio(
            "On a screen",
            list(KINDS),
            key=key,
            format_func=KINDS.get,
            disabled=desk.piloted or alone,
            on_change=_kind,
            args=(desk, key),
        )
        if alone and not desk.piloted:
            st.caption(f"{AB} For that {FIRST}.")
        if study.kind == "rating":
            for name, text in ASKS.items():
                key = f"{study.id}/ask.{name}"
                forms.show_value(key, name in study.ask)
                shown_before = desk.piloted and name == "sentences" and any(item.attention for item in study.items)
                st.checkbox(text, key=key, on_change=_ask, args=(desk,), disabled=desk.fixed or shown_before)
        _stop_rule(desk)


def _kind(desk: Desk, key: str) -> None:
    desk, kind = now(desk), st.session_state[key]
    found = answers.candidates(session.workbench(), desk.study)
    before = st.session_state.setdefault(f"{desk.study.id}/drawings", {})  # kind -> as it was drawn last
    before[desk.study.kind] = _drawing(desk, found)
    drawn = draft.of_kind(found, desk.study, before.get(kind, before[desk.study.kind]), kind)
    drawings()[desk.study.id] = drawn.drawing
    put(desk, drawn.study)


def _ask(desk: Desk) -> None:
    desk = now(desk)
    asked = [name for name in ASKS if st.session_state[f"{desk.study.id}/ask.{name}"]]
    items = desk.study.items if "sentences" in asked else [one for one in desk.study.items if not one.attention]
    change(desk, ask=asked or desk.study.ask, items=items)


def _stop_rule(desk: Desk) -> None:
    stop, key = desk.study.stop, f"{desk.study.id}/stop"
    forms.show_value(key, stop.kind)
    st.selectbox(
        "Labelling ends when",
        list(STOPS),
        key=key,
        format_func=STOPS.get,
        disabled=desk.fixed,
        on_change=_stop,
        args=(desk, key, ""),
        help="Chosen before the labels are seen: stopping when a result looks good flatters it.",
    )
    if stop.kind != "all_labelled":
        number = f"{key}/value"
        forms.show_value(number, stop.value)
        st.number_input(
            "Alpha to reach" if stop.kind == "alpha" else "Half-width to reach",
            0.01,
            1.0,
            step=0.01,
            key=number,
            on_change=_stop,
            args=(desk, key, number),
            disabled=desk.fixed,
        )


def _stop(desk: Desk, key: str, number: str) -> None:
    kind = st.session_state[key]
    value = st.session_state[number] if number else {"alpha": 0.8, "half_width": 0.1}.get(kind, 0.0)
    change(desk, stop=StopRule(kind=kind, value=value))


# --- items -----------------------------------------------------------------------------------------------------------


USUAL_S = 7.0  # an answer of the bundled model on two cores


def answering(desk: Desk | None = None) -> None:
    """Questions of the corpus are answered and stored, as a job. Says before the click by which model, how good and how long."""
    config, key = session.config(), "answer_count"
    most, recipe = {"all": 2000}.get(config.corpus.questions, 1000), system_names.recipe_words(config)
    if key not in st.session_state:  # not drawn for a while, as beside a job: the number of the last run
        last = next((job.arguments for job in session.workbench().jobs.list() if job.arguments[0] == "answer-questions"), ())
        st.session_state[key] = st.session_state.get(f"{key}?", int(last[2]) if last else 40)
    st.session_state[key] = min(st.session_state[key], most)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.session_state[f"{key}?"] = st.number_input("Questions", 1, most, key=key, width=130)
        arguments = ["answer-questions", "--count", str(count), *session.workbench().arguments(config)]
        jobs.start_button(
            "Have them answered", arguments, f"Answering {cards.count(count, 'question')} of {config.corpus.dataset}: {recipe}"
        )
    bundled = config.generation.model == "bundled"
    each = answers.seconds_an_answer(session.workbench(), config) or (USUAL_S if bundled else 0)
    cards.facts(
        [
            ("Questions of", config.corpus.dataset),
            ("Answered by", _model(config.generation)),
            ("Recipe", recipe),
            ("Time", _about(count * each)),
        ]
    )
    if bundled:
        st.caption(
            "This model is for trying things out: many of its answers are wrong, and some say one sentence again and again. For a "
            "study that counts choose a larger one first."
        )
    st.caption(
        "They are the first of the corpus, so another recipe gets the same questions: its answers are another system to compare."
    )
    st.page_link("../pages/ask_model.py", label="Change the recipe", icon=":material/tune:")


def _model(made: Any) -> str:
    """A generator's model in words."""
    name = made.model or forms.describe(made)
    if name != "bundled":
        return Path(name).name
    try:
        size = f" and {cards.size(made.path().stat().st_size)}"
    except (AttributeError, OSError, WorkbenchError):
        size = ""
    return f"SmolLM2-135M-Instruct, the bundled model of 135 million parameters{size}"


def _about(seconds: float) -> str:
    if not seconds:
        return ""
    minutes = seconds / 60
    return f"about {f'{seconds:.0f} s' if minutes < 1.5 else f'{minutes:.0f} min' if minutes < 90 else f'{minutes / 60:.0f} h'}"


def _drawing(desk: Desk, found: list) -> draft.Drawing:
    study, kept = desk.study, drawings()
    drawn = tuple(len(plain(study.items, name)) for name in ("pilot", "main"))
    known = kept.get(study.id)
    # drawn elsewhere, as by a command
    if known is None or (known.pilot, known.main, known.seed) != (*drawn, study.seed):
        kept[study.id] = draft.drawing_of(study, found)
    return kept[study.id]


def _redraw(desk: Desk, name: str, key: str) -> None:
    """Callback: one setting of the drawing changes, and the items with it."""
    _drawn(now(desk), **{name: st.session_state[key]})


def _one_round(desk: Desk, items: int) -> None:
    """Callback: no pilot, all items in the main round."""
    _drawn(now(desk), pilot=0, main=items)


def _drawn(desk: Desk, **settings: Any) -> Study:
    found = answers.candidates(session.workbench(), desk.study)
    drawing = replace(
        _drawing(desk, found).wish, **{name: tuple(one) if isinstance(one, list) else one for name, one in settings.items()}
    )
    drawn = draft.redraw(found, desk.study, drawing, keep_pilot=desk.piloted)
    drawings()[desk.study.id] = drawn.drawing
    put(desk, drawn.study)
    return drawn.study


def items(desk: Desk) -> None:
    """How they are drawn, the exact list, and what annotators see of each."""
    left, right = st.columns([1, 2], gap="medium")
    if desk.fixed:
        right, left = st.container(), None
    if left:
        with left:
            _draw_form(desk)
    with right:
        _list(desk)


def _draw_form(desk: Desk) -> None:
    study, found = desk.study, answers.candidates(session.workbench(), desk.study)
    drawing = _drawing(desk, found)
    if not found:
        st.caption("No answers are stored yet.")
        return answering(desk)

    def knob(make: Any, label: str, name: str, *options: Any, value: Any = None, **more: Any) -> None:
        key = f"{study.id}/draw.{name}"
        forms.show_value(key, getattr(drawing, name) if value is None else value)
        make(label, *options, key=key, on_change=_redraw, args=(desk, name, key), **more)

    datasets = sorted({one.dataset for one in found})
    if len(datasets) > 1:
        knob(st.selectbox, "Corpus", "dataset", ["", *datasets], format_func=lambda name: name or "All")
    known = system_names.systems([one for one in found if drawing.dataset in ("", one.dataset)])
    short = system_names.short_names(known)
    named = lambda name: f"{short.get(name, name)} ({known.get(name, 0):,} answers)"  # noqa: E731
    if study.kind == "pairs" and len(known) < 2:
        st.warning(f"{AB} First {FIRST}.", icon=":material/info:")
    elif len(known) == 1:
        st.caption(f"All answers are of one system, {cards.plain(named(next(iter(known))))}.")
    else:
        two = {"max_selections": 2} if study.kind == "pairs" else {"placeholder": "All"}
        knob(
            st.multiselect,
            "Systems",
            "systems",
            list(known),
            value=[one for one in drawing.systems if one in known],
            format_func=named,
            help="A system is a model with its recipe. Annotators never see which one wrote an answer.",
            **two,
        )
    few = draft.left_over([one for one in found if drawing.dataset in ("", one.dataset)])
    out = [name for name in few if study.kind == "rating" and drawing.systems and name not in drawing.systems]
    if out:
        told = "; ".join(f"{short[name]} with {cards.count(few[name], 'answer')}" for name in out)
        st.caption(cards.plain(f"Left out, as it has less than a third of the largest system's answers: {told}."))
    number = len(drawing.systems or known)
    whole = study.kind == "rating" and drawing.by == "question" and number > 1
    one, two, step = *st.columns(2), number if whole else 1
    with one:
        knob(st.number_input, "Pilot items", "pilot", 0, 2000, step=step, disabled=desk.piloted)
    with two:
        knob(st.number_input, "Main items", "main", 0, 20_000, step=step)
    if whole:
        st.caption(
            _whole(study, number)
            or f"No question has an answer of all {number} systems. Choose fewer systems, or spread the "
            "items over something else."
        )
    if not desk.piloted and drawing.pilot:
        st.caption(
            "The pilot tries the rubric, which can still be changed after it; the main round decides. Both are labelled in turn."
        )
        st.button(
            f"Skip the pilot: one round of {drawing.main or drawing.pilot:,}",
            key="one_round",
            type="tertiary",
            icon=":material/skip_next:",
            on_click=_one_round,
            args=(desk, drawing.main or drawing.pilot),
        )
    if study.kind == "rating" and (number > 1 or (len(datasets) > 1 and not drawing.dataset)):
        strata = {"system": number, "dataset": len(datasets)}.get(drawing.by, 0 if drawing.dataset else len(datasets))
        knob(
            st.selectbox,
            "Spread over",
            "by",
            list(SPREADS),
            format_func=SPREADS.get,
            help="The test of a difference and the power for it assume pairs: the same questions for every system.",
        )
        if drawing.by != "none" and strata > 1:
            knob(st.radio, "Spread", "allocation", list(SIZES), format_func=SIZES.get, label_visibility="collapsed")
    knob(
        st.slider,
        "Hidden repeats",
        "repeats",
        0.0,
        0.3,
        step=0.05,
        format="percent",
        help="Shown to the same annotator twice, far apart: does a person agree with themselves?",
    )
    if "sentences" in study.ask:
        knob(
            st.toggle,
            "Attention items",
            "attention",
            disabled=desk.piloted,
            help="A tenth more, with known answers, mixed in: who reads, who clicks?",
        )
    knob(st.number_input, "Seed", "seed", 0, 2**31 - 1, disabled=desk.piloted, help="The same seed draws the same list.")
    with st.popover("More answers", icon=":material/forum:"):
        answering(desk)


def _whole(study: Study, systems: int) -> str:
    """The size of a paired study in questions."""
    counts = [(name, len(plain(study.items, name)) // systems) for name in ("pilot", "main")]
    told = [f"{name} {cards.count(number, 'question')} × {systems} systems" for name, number in counts if number]
    return f"{', '.join(told).capitalize()}: an answer of each to every question, in the same round." if told else ""


def rows(study: Study, round: str) -> list[dict[str, Any]]:
    """The exact list of a round, one row an item; numbered without repeats and attention items, as on the page Agreement."""
    place = {item.id: number for number, item in enumerate(plain(study.items, round), 1)}
    named = system_names.short_names(systems_of(study))
    return [
        {
            "No.": "known"
            if item.attention
            else f"{place[item.duplicate_of]} again"
            if item.duplicate_of
            else f"{place[item.id]}",
            "Question": item.question,
            "Answer": " ⟷ ".join(one.text for one in item.responses),
            "Sentences": sum(len(one.sentences) for one in item.responses),
            "System": " ⟷ ".join(named.get(one.system, "") for one in item.responses),
        }
        for item in study.round_items(round)
    ]


def looks_of(study: Study, room: float = 1.0) -> dict[str, Any]:
    """How the list is drawn; the system only where there is more than one. room: of the texts, beside that on the page."""
    several = len(systems_of(study)) > 1
    config = {
        "No.": TEXT(width=72, help="Again: a hidden repeat of that item. Known: an attention item, with a known answer."),
        "Question": TEXT(width=round(200 * room)),
        "Answer": TEXT(width=round((200 if several else 300) * room)),
        "System": TEXT(width=150, help="Hidden from annotators."),
        "Sentences": NUMBER(width=76, help="Of the answer; each is labelled."),
    }
    shown = ["No.", *["System"] * several, "Question", "Answer", "Sentences"]
    return {"column_order": shown, "column_config": config, "hide_index": True}


def parts(study: Study, round: str) -> str:
    """ "30 items, 3 repeats, 5 attention items": what everybody of a round goes through, or shares in."""
    those = study.round_items(round)
    found = [
        (len(plain(those)), "item"),
        (sum(bool(one.duplicate_of) for one in those), "repeat"),
        (sum(one.attention for one in those), "attention item"),
    ]
    return ", ".join(cards.count(number, what) for number, what in found if number)


# an answer that says a sentence so often goes round in circles; a share of such answers to warn of
OFTEN, MANY = 3, 0.2


def circling(study: Study) -> list[Any]:
    """Items with an answer that says one sentence three times or more, the worst first."""
    found = {item.id: (_said_most(item), item) for item in plain(study.items)}
    return [item for (_, times), item in sorted(found.values(), key=lambda one: -one[0][1]) if times >= OFTEN]


def _said_most(item: Any) -> tuple[str, int]:
    """The sentence that an answer of the item says most often, and how often."""
    said = [Counter(one.text[start:end].strip() for start, end in one.sentences) for one in item.responses]
    return max((top for one in said for top in one.most_common(1)), key=lambda top: top[1], default=("", 0))


def repeating(desk: Desk, round: str = "", where: str = "items") -> None:
    """Answers that say one sentence again and again, and the press that leaves them out."""
    kept = ("pilot",) if desk.piloted else ()
    odd = [item for item in circling(desk.study) if item.round not in kept and round in ("", item.round)]
    if not odd:
        return
    text, times = _said_most(odd[0])
    what = "One answer says" if len(odd) == 1 else f"{len(odd):,} answers say one sentence {OFTEN} times or more, the worst"
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.caption(
            cards.plain(f"{what} “{cells.shortened(text, 420)}” {times:,} times, and each of them has to be labelled."),
            width="stretch",
        )
        if st.button(
            "Leave it out" if len(odd) == 1 else f"Leave the {len(odd):,} out",
            key=f"leave_out.{where}",
            icon=":material/repeat:",
            help="From the list below, with its question where several systems answered it.",
            on_click=_leave_out,
            args=(desk, [item.id for item in odd]),
        ):
            st.rerun()  # a dialog around it closes: its list was changed


def _leave_out(desk: Desk, ids: list[str]) -> None:
    desk = now(desk)
    put(desk, draft.without(desk.study, [id for id in ids if desk.study.has(id)]))


def _list(desk: Desk) -> None:
    study = desk.study
    if not study.items:
        return cards.empty("The list of items", "Nothing is drawn: choose how many, or have more questions answered.")
    drawn, odd = plain(study.items), circling(study)
    if len(odd) > MANY * len(drawn):
        st.warning(
            f"{len(odd):,} of {len(drawn):,} answers say one sentence three times or more, and each repetition has to be labelled. "
            "Raise the repeat penalty on the page Ask (1.1 to 1.3) or choose a larger model, then have the questions answered anew.",
            icon=":material/repeat:",
        )
    if not desk.fixed:
        repeating(desk)
    there = [name for name in ("pilot", "main") if plain(study.items, name)]
    round = there[-1] if desk.fixed or desk.piloted else there[0]
    if len(there) > 1:
        names = {name: f"{name.capitalize()}, {cards.count(len(plain(study.items, name)), 'item')}" for name in there}
        round = (
            st.segmented_control(
                "Round", there, default=round, key=f"{study.id}/list.round", format_func=names.get, label_visibility="collapsed"
            )
            or round
        )
    frozen = "is frozen" if desk.fixed or (desk.piloted and round == "pilot") else "is what will be frozen"
    st.caption(f"{round.capitalize()} round: {parts(study, round)}. This list {frozen}. Click a row to see what annotators see.")
    table = rows(study, round)
    chosen = cells.show(
        table,
        height=330,
        key=f"{study.id}/list.{round}",
        on_select="rerun",
        selection_mode="single-cell",
        placeholder="",
        **looks_of(study),
    )
    number = next((row for row, _ in chosen.selection.cells if row < len(table)), 0)
    _as_seen(study, study.round_items(round)[number])


def _as_seen(study: Study, item: Any) -> None:
    """An item without its origin, in the order of one annotator."""
    people = study.annotators
    with st.container(border=True):
        head, who = st.columns([2, 1], vertical_alignment="center")
        head.markdown("**As an annotator sees it**")
        name = who.selectbox("Annotator", people, key=f"{study.id}/as", label_visibility="collapsed") if people else ""
        seen = shown(study, item, name or "anybody")
        st.text(seen.question)
        for response, column in zip(seen.responses, st.columns(len(seen.responses)), strict=True):
            column.html(f'<div class="gw gw-passage"><div class="gw-text">{cards.escape(response.text)}</div></div>')
        for number, passage in enumerate(seen.responses[0].passages, 1):
            with st.expander(f"Passage {number}" + (f" · {cards.plain(passage.title)}" if passage.title else "")):
                st.text(passage.text)
        st.caption(
            "No system, no source, no known answers"
            + ("; which answer stands on the left is drawn for each annotator." if len(seen.responses) > 1 else ".")
        )


# --- rubric ----------------------------------------------------------------------------------------------------------


def rubric(desk: Desk) -> None:
    """What the labels mean, with examples; every version stays."""
    now = desk.study.rubric
    if desk.fixed:
        st.caption(f"Version {now.version} is in force and frozen.")
    elif desk.piloted:
        _in_force(desk)
    else:
        st.caption("Make the words so clear that two people choose alike. They can be revised after the pilot.")
    left, right = st.columns([3, 2], gap="large")
    with left:
        _labels(desk)
        if not desk.fixed:
            outdated(desk)
        _rubric_text(desk, "guidelines", "Guidelines for annotators", now.guidelines, height=320)
    with right:
        _examples(desk)
    _history(desk)


def formerly(desk: Desk) -> list[tuple[str, str]]:
    """Labels renamed in this window: (name, title before)."""
    return st.session_state.setdefault(f"{desk.study.id}/formerly", [])


def outdated(desk: Desk, where: str = "rubric") -> None:
    """Guidelines that use the old name of a label, and the press that renames it there."""
    rubric = desk.study.rubric
    old = old_titles(rubric, (default_rubric(), *desk.frozen.study.rubrics, *desk.study.rubrics[:-1]), formerly(desk))
    if not old:
        return
    told = "; ".join(f"“{title}”, and the label is now called “{new}”" for title, new in old.items())
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.caption(f":material/warning: The guidelines still say {cards.plain(told)}.", width="stretch")
        if st.button(
            "Replace it there" if len(old) == 1 else "Replace them there",
            key=f"replace_titles.{where}",
            on_click=_write_rubric,
            args=(desk,),
            kwargs={"guidelines": with_titles(rubric, old)},
        ):
            st.rerun()  # a dialog around it closes: what it shows was changed


def _in_force(desk: Desk) -> None:
    number = len(desk.frozen.study.rubrics)
    if not desk.revision:
        return st.caption(f"Version {number} is in force. A change below begins version {number + 1}.")
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="bottom"):
        _rubric_text(
            desk,
            "changed",
            f"What version {number + 1} changes, and why",
            desk.study.rubric.changed,
            height=None,
            hint="One sentence for the history, then put it in force",
        )
        st.button(
            f"Put version {number + 1} in force",
            icon=":material/gavel:",
            key="revise",
            on_click=put_in_force,
            args=(desk,),
            disabled=not desk.study.rubric.changed,
        )
        st.button(
            "Discard",
            key="discard_revision",
            type="tertiary",
            on_click=change,
            args=(desk,),
            kwargs={"rubrics": desk.frozen.study.rubrics},
        )


def put_in_force(desk: Desk) -> None:
    """Callback: the changed rubric is the study's from now on."""
    desk = now(desk)
    try:
        rounds.revise(session.workbench(), desk.study.id, desk.study.rubric)
    except WorkbenchError as error:
        st.session_state.design_problem = f"{error.what} {error.todo}"


def _write_rubric(desk: Desk, **settings: Any) -> None:
    """Callback: in a draft the rubric itself changes, in a pilot its next version."""
    desk = now(desk)
    study = desk.study
    try:
        old = study.rubric
        new = valid(Rubric, {name: getattr(old, name) for name in Rubric.model_fields} | settings)
    except WorkbenchError as error:
        st.session_state.design_problem = _said(error)
        return
    if desk.piloted and not desk.revision:
        first = new.model_copy(update={"version": old.version + 1, "changed": settings.get("changed", "")})
        return change(desk, rubrics=(*study.rubrics, first))
    change(desk, rubrics=(*study.rubrics[:-1], new))


def _rubric_text(desk: Desk, name: str, label: str, value: str, *, height: int | None, hint: str = "") -> None:
    key = f"{desk.study.id}/rubric.{name}"
    forms.show_value(key, value)
    make, size = (st.text_input, {}) if height is None else (st.text_area, {"height": height})
    make(
        label,
        key=key,
        disabled=desk.fixed,
        on_change=lambda: _write_rubric(desk, **{name: st.session_state[key]}),
        placeholder=hint,
        **size,
    )


def _labels(desk: Desk) -> None:
    known = desk.study.rubric.labels

    def write(number: int, name: str, key: str) -> None:
        some = list(now(desk).study.rubric.labels)
        if number >= len(some):
            return  # removed in another window
        if name == "title":  # the guidelines may use it
            formerly(desk).append((some[number].name, some[number].title))
        some[number] = some[number].model_copy(update={name: st.session_state[key].strip()})
        _write_rubric(desk, labels=tuple(some))

    for number, label in enumerate(known):
        for column, (name, title) in zip(
            st.columns([4, 1.2, 9, 0.8]), [("title", "Label"), ("key", "Key"), ("meaning", "Meaning"), ("", "")], strict=True
        ):
            key, look = f"{desk.study.id}/label.{label.name}.{name}", "visible" if not number else "collapsed"
            if name:
                forms.show_value(key, getattr(label, name))
                make, size = (column.text_area, {"height": "content"}) if name == "meaning" else (column.text_input, {})
                make(
                    title,
                    key=key,
                    label_visibility=look,
                    disabled=desk.fixed,
                    on_change=write,
                    args=(number, name, key),
                    max_chars=1 if name == "key" else None,
                    **size,
                )
            elif not desk.fixed:
                column.button(
                    "",
                    icon=":material/close:",
                    key=key,
                    type="tertiary",
                    help=cards.plain(f"Remove {label.title}"),
                    on_click=_write_rubric,
                    args=(desk,),
                    kwargs={"labels": (*known[:number], *known[number + 1 :])},
                )
    if not desk.fixed:
        free = next(n for n in range(1, 99) if f"label_{n}" not in desk.study.names)
        st.button(
            "Add a label",
            icon=":material/add:",
            type="tertiary",
            key="add_label",
            on_click=_write_rubric,
            args=(desk,),
            kwargs={"labels": (*known, Category(name=f"label_{free}", title=f"Label {free}"))},
        )


def _examples(desk: Desk) -> None:
    some, titles = desk.study.rubric.examples, {one.name: one.title for one in desk.study.rubric.labels}
    st.markdown(f"**{cards.count(len(some), 'judged example')}**")

    def write(number: int, name: str, key: str) -> None:
        new = list(now(desk).study.rubric.examples)
        if number >= len(new):
            return  # removed in another window
        new[number] = new[number].model_copy(update={name: st.session_state[key]})
        _write_rubric(desk, examples=tuple(new))

    for number, example in enumerate(some):
        with st.expander(
            f"{cards.plain(titles.get(example.label, ''))} · {cards.plain(example.sentence[:70])}",
            key=f"{desk.study.id}/example.{number}",
        ):
            for name, title in (("question", "Question"), ("passage", "Passage"), ("sentence", "Sentence"), ("why", "Why")):
                key = f"{desk.study.id}/example.{number}.{name}"
                forms.show_value(key, getattr(example, name))
                st.text_area(title, key=key, height="content", disabled=desk.fixed, on_change=write, args=(number, name, key))
            # a browser keeps a choice by its words: under one key, a renamed label would come back as its old title
            key = f"{desk.study.id}/example.{number}.label.{'/'.join(titles.values())}"
            forms.show_value(key, example.label)
            st.selectbox(
                "Label",
                list(titles),
                key=key,
                format_func=titles.get,
                disabled=desk.fixed,
                on_change=write,
                args=(number, "label", key),
            )
            st.button(
                "Remove",
                key=f"{desk.study.id}/example.{number}.remove",
                type="tertiary",
                icon=":material/close:",
                disabled=desk.fixed,
                on_click=_write_rubric,
                args=(desk,),
                kwargs={"examples": (*some[:number], *some[number + 1 :])},
            )
    if not desk.fixed:
        empty = Example(question="", passage="", sentence="New example", label=next(iter(titles)), why="")
        st.button(
            "Add an example",
            icon=":material/add:",
            type="tertiary",
            key="add_example",
            on_click=_write_rubric,
            args=(desk,),
            kwargs={"examples": (*some, empty)},
        )


def _history(desk: Desk) -> None:
    versions = desk.frozen.study.rubrics
    if len(versions) < 2:
        return
    st.markdown("**History**")
    for before, after in reversed(list(pairwise(versions))):
        with st.expander(f"Version {after.version}: {cards.plain(after.changed)}"):
            lines = difflib.unified_diff(
                _as_text(before), _as_text(after), f"version {before.version}", f"version {after.version}", n=1
            )
            st.code("\n".join(line.rstrip("\n") for line in lines), language="diff", wrap_lines=True)


def _as_text(one: Rubric) -> list[str]:
    labels = [f"{label.title} [{label.key}]: {label.meaning}" for label in one.labels]
    examples = [f"{example.label}: {example.sentence} ({example.passage}) {example.why}" for example in one.examples]
    return [*labels, *one.guidelines.splitlines(), *examples]


# --- people ----------------------------------------------------------------------------------------------------------


def people(desk: Desk) -> None:
    """Who judges, how many an item, and how that is shared out."""
    study = desk.study
    left, right = st.columns([1, 2], gap="large")
    with left:
        key = f"{study.id}/annotators"
        typed, wrong = ("", "") if desk.fixed else st.session_state.get(f"{key}?", ("", ""))
        forms.show_value(key, typed or "\n".join(study.annotators))
        st.text_area(
            "Annotators, one a line",
            key=key,
            height=140,
            disabled=desk.fixed,
            on_change=_names,
            args=(desk, key),
            help="Names under which they label. Use initials or numbers if the export is to be published.",
        )
        if wrong:
            st.warning(
                f"{cards.plain(wrong)} Until then the study has {cards.count(len(study.annotators), 'annotator')} as before.",
                icon=":material/error:",
            )
        key = f"{study.id}/per_item"
        forms.show_value(key, study.per_item)
        st.number_input(
            "Annotators of each item",
            1,
            50,
            key=key,
            disabled=desk.fixed,
            on_change=_take,
            args=(desk, "per_item", key),
            help="Agreement needs two or more. With more people than that, each labels a share of the items.",
        )
        key = f"{study.id}/tokens"
        forms.show_value(key, study.tokens)
        st.toggle(
            "Tokens",
            key=key,
            disabled=desk.fixed,
            on_change=_take,
            args=(desk, "tokens", key),
            help="One for each person: nobody labels under another's name. Handed out once the round is frozen.",
        )
    with right:
        for name in ("pilot", "main"):
            if study.round_items(name) and plain(study.items, name):
                _balance(study, name)


def _names(desk: Desk, key: str) -> None:
    """Callback: what is typed stays in the field, also where it cannot be taken."""
    names, desk = [line.strip() for line in st.session_state[key].splitlines() if line.strip()], now(desk)
    st.session_state.pop(f"{key}?", None)
    try:
        put(desk, altered(desk.study, {"annotators": names}))
    except WorkbenchError as error:
        double = next((name for place, name in enumerate(names) if looks(name) in map(looks, names[:place])), "")
        wrong = f"{double} is there twice: give each person a name of their own." if double else _said(error)
        st.session_state[f"{key}?"] = (st.session_state[key], wrong)


def _balance(study: Study, round: str) -> None:
    try:
        found = loads(study, round)
    except WorkbenchError as error:
        return cards.problem(error)
    total = len(plain(study.items, round))
    few, many = shared(study, round)
    st.markdown(f"**{round.capitalize()} round: {cards.count(total, 'item')}, {cards.count(study.per_item, 'annotator')} each**")
    table = [
        {
            "Annotator": one.annotator,
            "Items": one.items,
            "Repeats": one.repeats,
            "Attention": one.attention,
            "Screens": one.items + one.repeats + one.attention,
        }
        for one in found
    ]
    cells.show(table, hide_index=True, height="content", key=f"{study.id}/balance.{round}")
    common = (
        f"Any two share {few:,} to {cards.count(many, 'item')}. "
        if many > few
        else f"Any two share {cards.count(few, 'item')}. "
        if len(found) > 1
        else ""
    )
    late = apart(study, round)
    st.caption(
        f"{common}Loads differ by at most one item and its repeat; everybody has an order of their own"
        + (f", a repeat comes {late:,} screens or more after its item." if late else ".")
    )


# --- power -----------------------------------------------------------------------------------------------------------


SHARE = {"min_value": 0.0, "max_value": 1.0, "step": 0.01}
VALUES = {  # goal -> value -> (label, help, bounds)
    "difference": {
        "rate": ("Share of the weaker system", "Answers judged right, of the weaker system.", SHARE),
        "difference": ("Difference worth finding", "The smallest one that would matter to you.", SHARE | {"min_value": 0.01}),
        "discordant": ("Questions with one right answer", "Share on which the systems truly differ. Fewer: easier to tell apart.", SHARE),
        "accuracy": ("Accuracy of one label", "How often one annotator judges an answer as it truly is.", SHARE | {"min_value": 0.5}),
        "level": ("Level of the test", "", SHARE | {"min_value": 0.001, "max_value": 0.2}),
        "target": ("Power wanted", "Chance to find the difference if it is there.", SHARE | {"min_value": 0.5, "max_value": 0.99}),
    },
    "means": {
        "difference": ("Difference worth finding (points)", "On the scale of 1 to 5.", {"min_value": 0.01, "max_value": 4.0, "step": 0.05}),
        "sd_items": ("Spread over questions (SD)", "Of the true difference.", {"min_value": 0.01, "max_value": 4.0, "step": 0.05}),
        "sd_label": ("Spread of one label (SD)", "Of one annotator.", {"min_value": 0.0, "max_value": 4.0, "step": 0.05}),
        "level": ("Level of the test", "", SHARE | {"min_value": 0.001, "max_value": 0.2}),
        "target": ("Power wanted", "Chance to find the difference if it is there.", SHARE | {"min_value": 0.5, "max_value": 0.99}),
    },
    "rate": {
        "rate": ("Expected share", "Of judgements that are yes, as supported.", SHARE),
        "alpha": ("Expected alpha", "The more annotators agree, the less another one adds.", SHARE),
        "target": ("Half-width wanted", "Of the 95% interval.", SHARE | {"min_value": 0.005, "max_value": 0.5, "step": 0.005}),
    },
    "alpha": {
        "alpha": ("Expected alpha", "Nominal.", SHARE | {"max_value": 0.99}),
        "frequent": ("Share of the most frequent label", "Others share the rest.", SHARE | {"min_value": 0.05, "max_value": 0.97}),
        "categories": ("Labels in use", "", {"min_value": 2.0, "max_value": 9.0, "step": 1.0, "format": "%d"}),
        "target": ("Half-width wanted", "Of the 95% interval.", SHARE | {"min_value": 0.01, "max_value": 0.5}),
    },
}  # fmt: skip


def power(desk: Desk) -> None:
    """From assumed values or the pilot's to items and annotators."""
    study, given = desk.study, latest.labels(session.workbench(), desk.study.id, "pilot")
    pilot = from_pilot(desk.frozen.study, given) if given else None
    head = st.container()
    left, right = st.columns([1, 2], gap="large")
    with left:
        usual = list(GOALS).index(usual_goal(study))
        goal = st.selectbox("What has to be shown", list(GOALS), usual, key="goal", format_func=GOALS.get, bind="query-params")
        head.caption(cards.plain(planned_test(study, goal, pilot)))
        values = _values(goal, pilot)
        one, two = st.columns(2)
        each = _each(study, goal)
        drawn = len(plain(study.items, "main") or plain(study.items))
        usual = max(drawn // each, 5) if drawn else 100
        items = one.number_input(noun(goal).capitalize(), 5, 20_000, usual, key=f"{desk.study.id}/power.{goal}.items")
        fewest = 2 if goal == "alpha" else 1
        annotators = two.number_input(
            "Annotators an item", fewest, 15, max(desk.study.per_item, fewest), key=f"{desk.study.id}/power.{goal}.k"
        )
        if not desk.fixed:
            st.button(
                "Use for the main round",
                icon=":material/check:",
                key="use_design",
                on_click=_use,
                args=(desk, items * each, annotators),
                help=f"Draws {items * each:,} main items, as far as there are answers.",
            )
    with right:
        check_values(goal, values)
        _curves(goal, values, items, annotators, each)
        if goal in ("difference", "means") and study.kind == "rating" and study.items and not draft.paired(study):
            st.warning(
                "The items are not drawn in pairs: few questions have an answer of every system, and the test will show less than "
                "this. Spread them over the same questions on the tab Items.",
                icon=":material/info:",
            )


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


def _each(study: Study, goal: str) -> int:
    """Answers that a unit of the plan takes."""
    return max(len(systems_of(study)), 2) if goal in ("difference", "means") and study.kind == "rating" else 1


def noun(goal: str) -> str:
    return "questions" if goal in ("difference", "means") else "items"


def _use(desk: Desk, items: int, annotators: int) -> None:
    desk = now(desk)
    study = desk.study
    if annotators > len(study.annotators):
        more = [name for n in range(1, 99) if (name := f"Annotator {n}") not in study.annotators]
        study = altered(study, {"annotators": (*study.annotators, *more[: annotators - len(study.annotators)])})
    wider = desk._replace(study=altered(study, {"per_item": annotators}))
    got = len(plain(_drawn(wider, main=items).items, "main"))
    short = (
        f" There are answers for no more than these; {items:,} are wanted: see More answers on the tab Items."
        if got < items
        else ""
    )
    st.session_state.design_note = f"The main round has {got:,} items with {annotators} annotators each.{short}"


def _values(goal: str, pilot: Pilot | None) -> dict[str, float]:
    if pilot and goal in pilot.values:
        if not any(f"power.{goal}.{name}?" in st.session_state for name in VALUES[goal]):
            _from_pilot(goal, pilot.values[goal])
        st.button(
            "Take from the pilot",
            icon=":material/science:",
            key="from_pilot",
            on_click=_from_pilot,
            args=(goal, pilot.values[goal]),
        )
        if st.session_state.get(f"power.{goal}.source"):
            st.caption(f"From {cards.plain(pilot.why[goal])}. A small pilot gives rough values: look at neighbouring ones too.")
    else:
        st.caption("Assumed values. After a pilot they can be taken from its labels.")
    values, pair = {}, st.columns(2)
    for place, (name, (label, help, bounds)) in enumerate(VALUES[goal].items()):
        key = f"power.{goal}.{name}"
        if key not in st.session_state:  # kept in a key of its own: a widget that is not drawn forgets
            st.session_state[key] = st.session_state.get(f"{key}?", ASSUMED[goal][name])
        bounds = {bound: float(value) if bound != "format" else value for bound, value in bounds.items()}
        st.session_state[key] = min(max(float(st.session_state[key]), bounds["min_value"]), bounds["max_value"])
        values[name] = pair[place % 2].number_input(label, key=key, help=help or None, **bounds)
        st.session_state[f"{key}?"] = values[name]
    return values


def _from_pilot(goal: str, values: dict[str, float]) -> None:
    wanted = st.session_state.get("power.difference.difference", ASSUMED["difference"]["difference"])
    for name, value in fitted(goal, values, wanted).items():
        st.session_state[f"power.{goal}.{name}"] = st.session_state[f"power.{goal}.{name}?"] = value
    st.session_state[f"power.{goal}.source"] = True


def fitted(goal: str, values: dict[str, float], wanted: float) -> dict[str, float]:
    """A pilot's values; it says nothing of the difference that is wanted, and the shares have to fit that."""
    if goal != "difference":
        return values
    rate = min(values["rate"], 1 - wanted)
    low, high = discordant_bounds(rate, wanted)
    return values | {"rate": rate, "discordant": min(max(values["discordant"], low), high)}


def _curves(goal: str, values: dict[str, float], items: int, annotators: int, each: int) -> None:
    asked = (goal, tuple(values.items()), items, annotators)
    if st.session_state.get("power_asked") != asked:
        work = curves(goal, values, items, annotators)
        st.session_state.power_found, st.session_state.power_asked = jobs.drain(work, "Planning"), asked
    found, rising, target = st.session_state.power_found, goal in ("difference", "means"), values["target"]
    what, unit = "Power" if rising else "Half-width of the 95% interval", noun(goal)
    needed = found.needed.get(annotators)
    enough = found.at is not None and (found.at >= target if rising else found.at <= target)
    cards.row(
        [
            cards.Card(
                f"{'Power' if rising else 'Half-width'} of this design",
                found.at,
                direction=0,
                note=f"{items:,} {unit}, {cards.count(annotators, 'annotator')}: {'enough' if enough else f'{target:g} is wanted'}",
            ),
            cards.Card(
                f"{unit.capitalize()} for {target:g}",
                needed,
                direction=0,
                digits=0,
                unit=unit,
                note=f"{annotators} annotators each" if needed else "more than 100,000",
            ),
            cards.Card(
                "Answers to label",
                items * annotators * each,
                direction=0,
                digits=0,
                note=f"{items:,} {unit} × {f'{each} answers × ' if each > 1 else ''}{annotators}",
            ),
        ]
    )
    traces, table = [], []
    alike: dict[tuple, list[int]] = {}  # two annotators decide no better than one: one line
    for k, line in found.by_annotators.items():
        alike.setdefault(tuple(value and round(value, 9) for value in line), []).append(k)
        table += [{"annotators": k, unit: n, what: value, "by": "formula"} for n, value in zip(found.items, line, strict=True)]
    ends = []
    for number, (line, those) in enumerate(sorted(alike.items(), key=lambda one: annotators not in one[1])):
        own, color = annotators in those, charts.COLORS[number % len(charts.COLORS)]
        name = f"{' or '.join(map(str, those))} annotator{'s' * (those != [1])}" if len(alike) > 1 else "any number of annotators"
        trace = charts.line(
            found.items, line, name=name, color=color, dash="solid" if own else "dot", hover=f"%{{x}} {unit}: %{{y:.3f}}"
        )[0]
        traces.append(trace | {"mode": "lines"})
        ends.append((line[-1], name, color))
    x, y = [n for n, _ in found.simulated], [value for _, value in found.simulated]
    traces += charts.scatter(x, y, name="Simulated", color=charts.COLORS[0], hover=f"%{{x}} {unit}, simulated: %{{y:.3f}}")
    table += [{"annotators": annotators, unit: n, what: value, "by": "simulation"} for n, value in found.simulated]
    if found.at is not None:
        ring = charts.scatter(
            [items],
            [found.at],
            name="This design",
            color=charts.COLORS[5],
            current=0,
            hover=f"{items:,} {unit}, {cards.count(annotators, 'annotator')}: {found.at:.3f}",
        )
        traces += [trace | {"cliponaxis": False} for trace in ring]
    top = 1.02 if rising else min(0.5, max(3 * target + 0.02, 1.1 * (found.at or 0)))
    marks = charts.mark_line(target, f"wanted: {target:g}")
    marks["annotations"][0] |= {"x": 0, "xanchor": "left"}  # where no line is
    room = 30 + 6 * max(len(name) for _, name, _ in ends)
    shape = charts.figure(
        traces,
        unit.capitalize(),
        what,
        height=310,
        legend=False,
        yaxis={"range": [0, top]},
        margin={"r": room},
        shapes=marks["shapes"],
        annotations=[*marks["annotations"], *_names_at_ends(ends, top)],
    )
    charts.show(
        shape,
        f"power-{goal}",
        data=table,
        title=GOALS[goal],
        caption="lines by formula, points of 2,000 simulated studies, the ring is this design",
    )
    st.caption(METHODS[goal])


def _names_at_ends(ends: list[tuple[float | None, str, str]], top: float) -> list[dict]:
    """The lines' names at their right ends, apart enough to be read."""
    notes, least = [], 0.0
    for y, name, color in sorted((one for one in ends if one[0] is not None), key=lambda one: one[0]):
        place = max(min(y, top), least)
        least = place + 0.065 * top
        notes.append(
            {
                "text": name,
                "x": 1.01,
                "xref": "paper",
                "xanchor": "left",
                "y": place,
                "yanchor": "middle",
                "showarrow": False,
                "font": {"size": 12, "color": color},
            }
        )
    over = max(0.0, least - 0.065 * top - top)
    return [note | {"y": note["y"] - over} for note in notes]


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
