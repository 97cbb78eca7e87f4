"""The tabs of the page Study design on which a study is made: plan, items, rubric, people, and how large it has to be.

A study that is worked on is a copy of the recorded one in the session; saving a draft or freezing a round records it.
"""

import difflib
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, charts, forms, jobs
from core import annotation_lab as lab
from core import design_lab as design
from core.annotation.study import Category, Example, Rubric, StopRule, Study, shown
from core.config import valid
from core.errors import WorkbenchError

NUMBER, TEXT = st.column_config.NumberColumn, st.column_config.TextColumn
KINDS = {"rating": "One answer a screen", "pairs": "Two answers side by side (A/B)"}
ASKS = {"sentences": "Is each sentence supported?", "helpful": "How helpful is it, 1 to 5?"}
STOPS = {"all_labelled": "All items are labelled", "alpha": "Alpha reaches a value",
         "half_width": "The interval of alpha is narrow enough"}  # fmt: skip
SPREADS = {"system": "Systems", "dataset": "Corpora", "none": "Nothing: by chance alone"}
SIZES = {"equal": "As many of each", "proportional": "Each by its share"}


class Desk(NamedTuple):
    """A study on the desk: as it is recorded, and as it is being changed."""

    frozen: lab.Frozen
    study: Study
    standing: design.Standing

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


def desk(frozen: lab.Frozen) -> Desk:
    base, study = st.session_state.setdefault("designs", {}).get(frozen.study.id, ("", None))
    workbench = session.workbench()
    state, known = design.state(workbench, frozen), st.session_state.get("design_standing", (None, None))
    if known[0] != state:
        known = st.session_state.design_standing = (state, design.standing(workbench, frozen))
    return Desk(frozen, study if base == frozen.id else frozen.study, known[1])


def put(desk: Desk, study: Study) -> None:
    st.session_state.designs[desk.study.id] = (desk.frozen.id, study)


def change(desk: Desk, **settings: Any) -> None:
    """Callback: the study with these settings, or why that cannot be."""
    try:
        put(desk, valid(Study, design.fields(desk.study) | settings))
    except WorkbenchError as error:
        st.session_state.design_problem = _said(error)


def _said(error: WorkbenchError) -> str:
    return error.what.removeprefix("The configuration is not valid: ").replace("config: Value error, ", "")


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
    left, right = st.columns([3, 2], gap="large")
    with left:
        _field(desk, "question", "Question", height=80, help="What the study is to find out.")
        _field(
            desk, "hypothesis", "Hypothesis", height=80, help="What you expect, written down before any label is seen."
        )
        _field(
            desk, "measure", "Primary measure", height=None, help="The one number that decides. Others are exploration."
        )
        _field(desk, "test", "Test and its level", height=80, help="How the number is judged once it is there.")
    with right:
        _field(desk, "title", "Title", height=None)
        key = f"{study.id}/kind"
        forms.show_value(key, study.kind)
        st.radio("On a screen", list(KINDS), key=key, format_func=KINDS.get, disabled=desk.fixed or desk.piloted,
                 on_change=_kind, args=(desk, key))  # fmt: skip
        if study.kind == "rating":
            for name, text in ASKS.items():
                key = f"{study.id}/ask.{name}"
                forms.show_value(key, name in study.ask)
                st.checkbox(text, key=key, on_change=_ask, args=(desk,), disabled=desk.fixed)
        _stop_rule(desk)


def _kind(desk: Desk, key: str) -> None:
    found = design.candidates(session.workbench())
    drawn = design.of_kind(found, desk.study, _drawing(desk, found), st.session_state[key])
    st.session_state[f"{desk.study.id}/drawing"] = drawn.drawing
    put(desk, drawn.study)


def _ask(desk: Desk) -> None:
    asked = [name for name in ASKS if st.session_state[f"{desk.study.id}/ask.{name}"]]
    items = desk.study.items if "sentences" in asked else [one for one in desk.study.items if not one.attention]
    change(desk, ask=asked or desk.study.ask, items=items)


def _stop_rule(desk: Desk) -> None:
    stop, key = desk.study.stop, f"{desk.study.id}/stop"
    forms.show_value(key, stop.kind)
    st.selectbox("Labelling ends when", list(STOPS), key=key, format_func=STOPS.get, disabled=desk.fixed,
                 on_change=_stop, args=(desk, key, ""),
                 help="Chosen before the labels are seen: stopping when a result looks good flatters it.")  # fmt: skip
    if stop.kind != "all_labelled":
        number = f"{key}/value"
        forms.show_value(number, stop.value)
        st.number_input("Alpha to reach" if stop.kind == "alpha" else "Half-width to reach", 0.01, 1.0, step=0.01, key=number,
                        on_change=_stop, args=(desk, key, number), disabled=desk.fixed)  # fmt: skip


def _stop(desk: Desk, key: str, number: str) -> None:
    kind = st.session_state[key]
    value = st.session_state[number] if number else {"alpha": 0.8, "half_width": 0.1}.get(kind, 0.0)
    change(desk, stop=StopRule(kind=kind, value=value))


# --- items -----------------------------------------------------------------------------------------------------------


def answering(desk: Desk | None = None) -> None:
    """Questions of the corpus are answered and stored, as a job."""
    config, key = session.config(), "answer_count"
    most = {"all": 2000}.get(config.corpus.questions, 1000)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        count = st.number_input("Questions", 1, most, 40, key=key, width=130)
        arguments = ["answer-questions", "--count", str(count), *session.workbench().arguments(config)]
        jobs.start_button("Have them answered", arguments, f"Answering {count:,} questions of {config.corpus.dataset}")
    st.caption(f"Of {cards.plain(config.corpus.dataset)}, by the recipe of the pages Ask and Search, live: "
               f"{cards.plain(forms.describe(config.generation))}. Another recipe makes another system to compare.")  # fmt: skip


def _drawing(desk: Desk, found: list) -> design.Drawing:
    key = f"{desk.study.id}/drawing"
    if key not in st.session_state:
        st.session_state[key] = design.drawing_of(desk.study, found)
    return st.session_state[key]


def _redraw(desk: Desk, name: str, key: str, value: Any = None) -> None:
    """Callback: one setting of the drawing changes, and the items with it."""
    found = design.candidates(session.workbench())
    value = st.session_state[key] if key else value
    drawing = replace(_drawing(desk, found), **{name: tuple(value) if isinstance(value, list) else value})
    drawn = design.redraw(found, desk.study, drawing, keep_pilot=desk.piloted)
    st.session_state[f"{desk.study.id}/drawing"] = drawn.drawing
    put(desk, drawn.study)


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
    study, found = desk.study, design.candidates(session.workbench())
    drawing = _drawing(desk, found)
    if not found:
        st.caption("No answers are stored yet.")
        return answering(desk)

    def knob(make: Any, label: str, name: str, *options: Any, value: Any = None, **more: Any) -> None:
        key = f"{study.id}/draw.{name}"
        forms.show_value(key, getattr(drawing, name) if value is None else value)
        make(label, *options, key=key, on_change=_redraw, args=(desk, name, key), **more)

    datasets = sorted({one.dataset for one in found})
    knob(st.selectbox, "Corpus", "dataset", ["", *datasets], format_func=lambda name: name or "All")
    known = lab.systems([one for one in found if drawing.dataset in ("", one.dataset)])
    named = lambda name: f"{name} ({known.get(name, 0):,} answers)"  # noqa: E731
    if study.kind == "pairs" and len(known) < 2:
        st.warning(
            "A/B needs answers of two systems. Have questions answered by a second recipe.", icon=":material/info:"
        )
    else:
        two = {"max_selections": 2} if study.kind == "pairs" else {"placeholder": "All"}
        knob(st.multiselect, "Systems", "systems", list(known), value=list(drawing.systems), format_func=named,
             help="A system is a recipe with its model. Annotators never see which one wrote an answer.", **two)  # fmt: skip
    one, two = st.columns(2)
    with one:
        knob(st.number_input, "Pilot items", "pilot", 0, 2000, disabled=desk.piloted)
    with two:
        knob(st.number_input, "Main items", "main", 0, 20_000)
    if study.kind == "rating":
        knob(st.selectbox, "Spread over", "by", list(SPREADS), format_func=SPREADS.get)
        if drawing.by != "none":
            knob(st.radio, "Spread", "allocation", list(SIZES), format_func=SIZES.get, label_visibility="collapsed")
    knob(st.slider, "Hidden repeats", "repeats", 0.0, 0.3, step=0.05, format="percent",
         help="Shown to the same annotator twice, far apart: does a person agree with themselves?")  # fmt: skip
    if "sentences" in study.ask:
        knob(
            st.toggle,
            "Attention items",
            "attention",
            help="Five items with known answers, mixed in: who reads, who clicks?",
        )
    knob(
        st.number_input, "Seed", "seed", 0, 2**31 - 1, disabled=desk.piloted, help="The same seed draws the same list."
    )
    with st.popover("More answers", icon=":material/forum:"):
        answering(desk)


def rows(study: Study, round: str = "") -> list[dict[str, Any]]:
    """The exact list, one row an item."""
    place = {item.id: number for number, item in enumerate(study.items, 1)}
    return [{"No.": place[item.id], "Round": item.round.capitalize() or "Both",
             "Kind": f"repeat of {place[item.duplicate_of]}" if item.duplicate_of else "attention" if item.attention else "item",
             "Question": item.question, "Answer": " ⟷ ".join(one.text for one in item.responses),
             "System": " ⟷ ".join(one.system for one in item.responses),
             "Sentences": sum(len(one.sentences) for one in item.responses)}
            for item in study.items if round in ("", item.round) or not item.round]  # fmt: skip


LOOKS = {"No.": NUMBER(width=44), "Round": TEXT(width=60), "Kind": TEXT(width=96), "Question": TEXT(width=220),
         "Answer": TEXT(width=280), "System": TEXT(width=170, help="Hidden from annotators."),
         "Sentences": NUMBER(width=70)}  # fmt: skip


def _list(desk: Desk) -> None:
    study = desk.study
    if not study.items:
        return cards.empty(
            "The list of items", "Nothing is drawn: choose how many on the left, or have more questions answered."
        )
    pilot, main = (len(design.plain(study.items, name)) for name in ("pilot", "main"))
    repeats, attention = sum(bool(one.duplicate_of) for one in study.items), sum(one.attention for one in study.items)
    st.caption(f"{pilot:,} items of the pilot, {main:,} of the main round, {repeats:,} hidden repeats, {attention:,} attention items"
               + (", by the name below" if desk.fixed else ". This list is what is frozen")
               + ". Click a row to see what annotators see.")  # fmt: skip
    table = rows(study)
    chosen = st.dataframe(table, hide_index=True, height=330, key=f"{study.id}/list", on_select="rerun", selection_mode="single-row",
                          column_config=LOOKS, placeholder="")  # fmt: skip
    number = next((row for row in chosen.selection.rows if row < len(table)), 0)
    _as_seen(study, study.items[number])


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
        st.caption("No system, no source, no known answers"
                   + ("; which answer stands on the left is drawn for each annotator." if len(seen.responses) > 1 else "."))  # fmt: skip


# --- rubric ----------------------------------------------------------------------------------------------------------


def rubric(desk: Desk) -> None:
    """What the labels mean, with examples; every version stays."""
    now = desk.study.rubric
    if desk.fixed:
        st.caption(f"Version {now.version} is in force and frozen.")
    elif desk.piloted:
        _in_force(desk)
    else:
        st.caption("Make the words so clear that two people choose alike. They can be revised after the pilot.")  # fmt: skip
    left, right = st.columns([3, 2], gap="large")
    with left:
        _labels(desk)
        _rubric_text(desk, "guidelines", "Guidelines for annotators", now.guidelines, height=320)
    with right:
        _examples(desk)
    _history(desk)


def _in_force(desk: Desk) -> None:
    number = len(desk.frozen.study.rubrics)
    if not desk.revision:
        return st.caption(f"Version {number} is in force. A change below begins version {number + 1}.")
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="bottom"):
        _rubric_text(
            desk, "changed", f"What version {number + 1} changes, and why", desk.study.rubric.changed, height=None
        )
        if st.button(
            f"Put version {number + 1} in force",
            icon=":material/gavel:",
            key="revise",
            disabled=not desk.study.rubric.changed,
        ):
            new = lab.revise(session.workbench(), desk.study.id, desk.study.rubric)
            fields = design.fields(desk.study) | {"rubrics": new.study.rubrics}
            st.session_state.designs[desk.study.id] = (new.id, valid(Study, fields))
            st.rerun()
        st.button("Discard", key="discard_revision", type="tertiary", on_click=change, args=(desk,),
                  kwargs={"rubrics": desk.frozen.study.rubrics})  # fmt: skip


def _write_rubric(desk: Desk, **settings: Any) -> None:
    """Callback: in a draft the rubric itself changes, in a pilot its next version."""
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


def _rubric_text(desk: Desk, name: str, label: str, value: str, *, height: int | None) -> None:
    key = f"{desk.study.id}/rubric.{name}"
    forms.show_value(key, value)
    make, size = (st.text_input, {}) if height is None else (st.text_area, {"height": height})
    make(
        label,
        key=key,
        disabled=desk.fixed,
        on_change=lambda: _write_rubric(desk, **{name: st.session_state[key]}),
        **size,
    )


def _labels(desk: Desk) -> None:
    known = desk.study.rubric.labels

    def write(number: int, name: str, key: str) -> None:
        some = list(known)
        some[number] = some[number].model_copy(update={name: st.session_state[key].strip()})
        _write_rubric(desk, labels=tuple(some))

    for number, label in enumerate(known):
        for column, (name, title) in zip(st.columns([4, 1.2, 9, 0.8]),
                                         [("title", "Label"), ("key", "Key"), ("meaning", "Meaning"), ("", "")], strict=True):  # fmt: skip
            key, look = f"{desk.study.id}/label.{label.name}.{name}", "visible" if not number else "collapsed"
            if name:
                forms.show_value(key, getattr(label, name))
                make, size = (column.text_area, {"height": "content"}) if name == "meaning" else (column.text_input, {})
                make(title, key=key, label_visibility=look, disabled=desk.fixed, on_change=write, args=(number, name, key),
                     max_chars=1 if name == "key" else None, **size)  # fmt: skip
            elif not desk.fixed:
                column.button("", icon=":material/close:", key=key, type="tertiary", help=f"Remove {label.title}", on_click=_write_rubric,
                              args=(desk,), kwargs={"labels": (*known[:number], *known[number + 1 :])})  # fmt: skip
    if not desk.fixed:
        free = next(n for n in range(1, 99) if f"label_{n}" not in desk.study.names)
        st.button("Add a label", icon=":material/add:", type="tertiary", key="add_label", on_click=_write_rubric, args=(desk,),
                  kwargs={"labels": (*known, Category(name=f"label_{free}", title=f"Label {free}"))})  # fmt: skip


def _examples(desk: Desk) -> None:
    some, titles = desk.study.rubric.examples, {one.name: one.title for one in desk.study.rubric.labels}
    st.markdown(f"**{cards.count(len(some), 'judged example')}**")

    def write(number: int, name: str, key: str) -> None:
        new = list(some)
        new[number] = new[number].model_copy(update={name: st.session_state[key]})
        _write_rubric(desk, examples=tuple(new))

    for number, example in enumerate(some):
        with st.expander(f"{cards.plain(titles.get(example.label, ''))} · {cards.plain(example.sentence[:70])}",
                         key=f"{desk.study.id}/example.{number}"):  # fmt: skip
            for name, title in (
                ("question", "Question"),
                ("passage", "Passage"),
                ("sentence", "Sentence"),
                ("why", "Why"),
            ):
                key = f"{desk.study.id}/example.{number}.{name}"
                forms.show_value(key, getattr(example, name))
                st.text_area(
                    title, key=key, height="content", disabled=desk.fixed, on_change=write, args=(number, name, key)
                )
            key = f"{desk.study.id}/example.{number}.label"
            forms.show_value(key, example.label)
            st.selectbox("Label", list(titles), key=key, format_func=titles.get, disabled=desk.fixed, on_change=write,
                         args=(number, "label", key))  # fmt: skip
            st.button("Remove", key=f"{key}/remove", type="tertiary", icon=":material/close:", disabled=desk.fixed,
                      on_click=_write_rubric, args=(desk,), kwargs={"examples": (*some[:number], *some[number + 1 :])})  # fmt: skip
    if not desk.fixed:
        empty = Example(question="", passage="", sentence="New example", label=next(iter(titles)), why="")
        st.button("Add an example", icon=":material/add:", type="tertiary", key="add_example", on_click=_write_rubric, args=(desk,),
                  kwargs={"examples": (*some, empty)})  # fmt: skip


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
        forms.show_value(key, "\n".join(study.annotators))
        st.text_area("Annotators, one a line", key=key, height=140, disabled=desk.fixed, on_change=_names, args=(desk, key),
                     help="Names under which they label. Use initials or numbers if the export is to be published.")  # fmt: skip
        key = f"{study.id}/per_item"
        forms.show_value(key, study.per_item)
        st.number_input("Annotators of each item", 1, 50, key=key, disabled=desk.fixed, on_change=_take, args=(desk, "per_item", key),
                        help="Agreement needs two or more. With more people than that, each labels a share of the items.")  # fmt: skip
        key = f"{study.id}/tokens"
        forms.show_value(key, study.tokens)
        st.toggle("Tokens", key=key, disabled=desk.fixed, on_change=_take, args=(desk, "tokens", key),
                  help="One for each person: nobody labels under another's name. Handed out once the round is frozen.")  # fmt: skip
    with right:
        for name in ("pilot", "main"):
            if study.round_items(name) and design.plain(study.items, name):
                _balance(study, name)


def _names(desk: Desk, key: str) -> None:
    names = [line.strip() for line in st.session_state[key].splitlines() if line.strip()]
    change(desk, annotators=names)


def _balance(study: Study, round: str) -> None:
    try:
        found = design.loads(study, round)
    except WorkbenchError as error:
        return cards.problem(error)
    total = len(design.plain(study.items, round))
    few, many = design.shared(study, round)
    st.markdown(
        f"**{round.capitalize()} round: {cards.count(total, 'item')}, {cards.count(study.per_item, 'annotator')} each**"
    )
    table = [{"Annotator": one.annotator, "Items": one.items, "Repeats": one.repeats, "Attention": one.attention,
              "In all": one.items + one.repeats + one.attention} for one in found]  # fmt: skip
    st.dataframe(table, hide_index=True, height="content", key=f"{study.id}/balance.{round}")
    common = (
        f"Any two have {few:,}{f' to {many:,}' if many > few else ''} screens in common. " if len(found) > 1 else ""
    )
    st.caption(
        f"{common}Loads differ by at most one item and its repeat; everybody has an order of their own, repeats come late."
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
    left, right = st.columns([1, 2], gap="large")
    with left:
        goal = st.selectbox(
            "What has to be shown", list(design.GOALS), key="goal", format_func=design.GOALS.get, bind="query-params"
        )
        values = _values(desk, goal)
        one, two = st.columns(2)
        each = _each(desk.study, goal)
        drawn = len(design.plain(desk.study.items, "main"))
        usual = max(drawn // each, 5) if drawn else 100
        items = one.number_input(_noun(goal).capitalize(), 5, 20_000, usual, key=f"{desk.study.id}/power.{goal}.items")
        fewest = 2 if goal == "alpha" else 1
        annotators = two.number_input("Annotators an item", fewest, 15, max(desk.study.per_item, fewest),
                                      key=f"{desk.study.id}/power.{goal}.k")  # fmt: skip
        if not desk.fixed:
            st.button("Use for the main round", icon=":material/check:", key="use_design", on_click=_use,
                      args=(desk, items * each, annotators),
                      help=f"Draws {items * each:,} main items, as far as there are answers.")  # fmt: skip
    with right:
        design.check_values(goal, values)
        _curves(goal, values, items, annotators)


def _each(study: Study, goal: str) -> int:
    """Answers that a unit of the plan takes."""
    return 2 if goal in ("difference", "means") and study.kind == "rating" else 1


def _noun(goal: str) -> str:
    return "questions" if goal in ("difference", "means") else "items"


def _use(desk: Desk, items: int, annotators: int) -> None:
    study = desk.study
    if annotators > len(study.annotators):
        more = [name for n in range(1, 99) if (name := f"Annotator {n}") not in study.annotators]
        study = valid(
            Study,
            design.fields(study) | {"annotators": (*study.annotators, *more[: annotators - len(study.annotators)])},
        )
    wider = desk._replace(study=valid(Study, design.fields(study) | {"per_item": annotators}))
    _redraw(wider, "main", "", items)
    got = len(design.plain(st.session_state.designs[study.id][1].items, "main"))
    short = (
        f" There are answers for no more than these; {items:,} are wanted: see More answers on the tab Items."
        if got < items
        else ""
    )
    st.session_state.design_note = f"The main round has {got:,} items with {annotators} annotators each.{short}"


def _values(desk: Desk, goal: str) -> dict[str, float]:
    given = lab.labels(session.workbench(), desk.study.id, "pilot")
    pilot = design.from_pilot(desk.frozen.study, given) if given else None
    if pilot and goal in pilot.values:
        st.button("Take from the pilot", icon=":material/science:", key="from_pilot", on_click=_from_pilot, args=(goal, pilot.values[goal]),
                  help=pilot.why[goal])  # fmt: skip
        if st.session_state.get(f"power.{goal}.source"):
            st.caption(
                f"From {cards.plain(pilot.why[goal])}. A small pilot gives rough values: look at neighbouring ones too."
            )
    else:
        st.caption("Assumed values. After a pilot they can be taken from its labels.")
    values, pair = {}, st.columns(2)
    for place, (name, (label, help, bounds)) in enumerate(VALUES[goal].items()):
        key = f"power.{goal}.{name}"
        if key not in st.session_state:  # kept in a key of its own: a widget that is not drawn forgets
            st.session_state[key] = st.session_state.get(f"{key}?", design.ASSUMED[goal][name])
        bounds = {bound: float(value) if bound != "format" else value for bound, value in bounds.items()}
        st.session_state[key] = min(max(float(st.session_state[key]), bounds["min_value"]), bounds["max_value"])
        values[name] = pair[place % 2].number_input(label, key=key, help=help or None, **bounds)
        st.session_state[f"{key}?"] = values[name]
    return values


def _from_pilot(goal: str, values: dict[str, float]) -> None:
    for name, value in values.items():
        st.session_state[f"power.{goal}.{name}"] = st.session_state[f"power.{goal}.{name}?"] = value
    if goal == "difference":  # the pilot says nothing of the difference wanted, and the shares have to fit it
        wanted = st.session_state.get("power.difference.difference", design.ASSUMED[goal]["difference"])
        rate = min(values["rate"], 1 - wanted)
        low, high = design.discordant_bounds(rate, wanted)
        st.session_state["power.difference.rate"] = rate
        st.session_state["power.difference.discordant"] = min(max(values["discordant"], low), high)
    st.session_state[f"power.{goal}.source"] = True


def _curves(goal: str, values: dict[str, float], items: int, annotators: int) -> None:
    asked = (goal, tuple(values.items()), items, annotators)
    if st.session_state.get("power_asked") != asked:
        work = design.curves(goal, values, items, annotators)
        st.session_state.power_found, st.session_state.power_asked = jobs.drain(work, "Planning"), asked
    found, rising, target = st.session_state.power_found, goal in ("difference", "means"), values["target"]
    what, noun = "Power" if rising else "Half-width of the 95% interval", _noun(goal)
    needed = found.needed.get(annotators)
    enough = found.at is not None and (found.at >= target if rising else found.at <= target)
    each = 2 if rising else 1
    cards.row([
        cards.Card(f"{what} at {items:,} × {annotators}", found.at, direction=0, note="enough" if enough else f"wanted: {target:g}"),
        cards.Card(f"{noun.capitalize()} for {target:g}", needed, direction=0, digits=0, unit=noun,
                   note=f"{annotators} annotators each" if needed else "more than 100,000"),
        cards.Card("Labels in all", items * annotators * each, direction=0, digits=0,
                   note=f"{items:,} {noun} × {f'{each} answers × ' if each > 1 else ''}{annotators}"),
    ])  # fmt: skip
    traces, table = [], []
    for number, (k, line) in enumerate(sorted(found.by_annotators.items(), key=lambda one: one[0] != annotators)):
        own = k == annotators
        color = charts.COLORS[0] if own else charts.COLORS[number % len(charts.COLORS)]
        trace = charts.line(found.items, line, name=f"{k} annotator{'s' * (k > 1)}", color=color, dash="solid" if own else "dot",
                            hover=f"%{{x}} {noun}: %{{y:.3f}}")[0]  # fmt: skip
        traces.append(trace | {"mode": "lines"})
        table += [
            {"annotators": k, noun: n, what: value, "by": "formula"} for n, value in zip(found.items, line, strict=True)
        ]
    x, y = [n for n, _ in found.simulated], [value for _, value in found.simulated]
    traces += charts.scatter(
        x, y, name="Simulated", color=charts.COLORS[0], hover=f"%{{x}} {noun}, simulated: %{{y:.3f}}"
    )
    table += [{"annotators": annotators, noun: n, what: value, "by": "simulation"} for n, value in found.simulated]
    if found.at is not None:
        traces += charts.scatter([items], [found.at], name="This design", color=charts.COLORS[5], current=0,
                                 hover=f"{items:,} {noun} × {annotators}: {found.at:.3f}")  # fmt: skip
    top = 1.02 if rising else min(0.5, 3 * target + 0.02)
    shape = charts.figure(traces, noun.capitalize(), what, height=380, legend=True, yaxis={"range": [0, top]},
                          **charts.mark_line(target, f"wanted: {target:g}"))  # fmt: skip
    charts.show(
        shape,
        f"power-{goal}",
        data=table,
        title=design.GOALS[goal],
        caption="lines by formula, points of 2,000 simulated studies",
    )
    st.caption(METHODS[goal])


METHODS = {
    "difference": "McNemar's exact test on the majority label of each answer. It counts questions that both systems answered; answers to "
                  "different questions are not paired and show less. Two annotators decide no better than one: a tie falls to either side.",
    "means": "Paired t test on the mean score of each answer. It counts questions that both systems answered.",
    "rate": "Wilson's interval, with labels of one item counted by how much they agree. An item is one yes or no: sentences of one answer "
            "resemble each other, so count answers to be on the safe side.",
    "alpha": "Delta method over items. All annotators are assumed alike, and an item here is one unit that is labelled: sentences of one "
             "answer resemble each other, so count answers to be on the safe side.",
}  # fmt: skip
