"""The tab Rubric: what the labels mean, with examples; every version stays."""

import difflib
from functools import partial
from itertools import pairwise

import streamlit as st

from app.ui import cards, forms
from app.ui.studies.desk import Desk, change, now
from app.ui.studies.rubric_text import formerly, outdated, put_in_force, rubric_text, write_rubric
from core.annotation.rubric import Category, Example, Rubric


def draw(desk: Desk) -> None:
    """What the labels mean, with examples; every version stays."""
    now = desk.study.rubric
    if desk.fixed:
        st.caption(f"Version {now.version} is in force and frozen.")
    elif desk.piloted:
        _in_force(desk)
    else:
        st.caption("Make the wording so clear that two people choose the same label. It can be revised after the pilot.")
    left, right = st.columns([3, 2], gap="large")
    with left:
        _labels(desk)
        if not desk.fixed:
            outdated(desk)
        rubric_text(desk, "guidelines", "Guidelines for annotators", now.guidelines, height=320)
    with right:
        _examples(desk)
    _history(desk)


def _in_force(desk: Desk) -> None:
    number = len(desk.frozen.study.rubrics)
    if not desk.revision:
        return st.caption(f"Version {number} is in force. A change below begins version {number + 1}.")
    with st.container(border=True), st.container(horizontal=True, vertical_alignment="bottom"):
        rubric_text(
            desk,
            "changed",
            f"What version {number + 1} changes, and why",
            desk.study.rubric.changed,
            height=None,
            hint="One sentence, kept in the history of the rubric",
        )
        label, told = f"Put version {number + 1} in force", desk.study.rubric.changed
        cards.press(label, "gavel", "revise", put_in_force, desk, disabled=not told)
        discard = partial(change, desk, rubrics=desk.frozen.study.rubrics)
        cards.press("Discard", "", "discard_revision", discard, type="tertiary")


def _labels(desk: Desk) -> None:
    labels = desk.study.rubric.labels

    def write(number: int, name: str, key: str) -> None:
        some = list(now(desk).study.rubric.labels)
        if number >= len(some):
            return  # removed in another window
        if name == "title":  # the guidelines may use it
            formerly(desk).append((some[number].name, some[number].title))
        some[number] = some[number].model_copy(update={name: st.session_state[key].strip()})
        write_rubric(desk, labels=tuple(some))

    for number, label in enumerate(labels):
        title, letter, meaning, last = st.columns([4, 1.2, 9, 0.8])
        place, look = f"{desk.study.id}/label.{label.name}", {"label_visibility": "collapsed" if number else "visible"}
        for make, head, name, more in (
            (title.text_input, "Label", "title", {}),
            (letter.text_input, "Key", "key", {"max_chars": 1}),
            (meaning.text_area, "Meaning", "meaning", {"height": "content"}),
        ):
            more |= look | {"disabled": desk.fixed}
            forms.field(make, head, f"{place}.{name}", getattr(label, name), write, number, name, **more)
        if not desk.fixed:
            remove = partial(write_rubric, desk, labels=(*labels[:number], *labels[number + 1 :]))
            with last:
                cards.press("", "close", f"{place}.", remove, type="tertiary", help=cards.plain(f"Remove {label.title}"))
    if not desk.fixed:
        free = next(n for n in range(1, 99) if f"label_{n}" not in desk.study.names)
        add = partial(write_rubric, desk, labels=(*labels, Category(name=f"label_{free}", title=f"Label {free}")))
        cards.press("Add a label", "add", "add_label", add, type="tertiary")


def _examples(desk: Desk) -> None:
    some, titles = desk.study.rubric.examples, {label.name: label.title for label in desk.study.rubric.labels}
    st.markdown(f"**{cards.count(len(some), 'judged example')}**")

    def write(number: int, name: str, key: str) -> None:
        new = list(now(desk).study.rubric.examples)
        if number >= len(new):
            return  # removed in another window
        new[number] = new[number].model_copy(update={name: st.session_state[key]})
        write_rubric(desk, examples=tuple(new))

    for number, example in enumerate(some):
        place, look = f"{desk.study.id}/example.{number}", {"disabled": desk.fixed}
        with st.expander(f"{cards.plain(titles.get(example.label, ''))} · {cards.plain(example.sentence[:70])}", key=place):
            for name in ("question", "passage", "sentence", "why"):
                title, value = name.capitalize(), getattr(example, name)
                forms.field(st.text_area, title, f"{place}.{name}", value, write, number, name, height="content", **look)
            # a browser keeps a choice by its words: under one key, a renamed label would come back as its old title
            key, choice = f"{place}.label.{'/'.join(titles.values())}", {"options": (list(titles),), "format_func": titles.get}
            forms.field(st.selectbox, "Label", key, example.label, write, number, "label", **look, **choice)
            remove = partial(write_rubric, desk, examples=(*some[:number], *some[number + 1 :]))
            cards.press("Remove", "close", f"{place}.remove", remove, type="tertiary", **look)
    if not desk.fixed:
        empty = Example(question="", passage="", sentence="New example", label=next(iter(titles)), why="")
        add = partial(write_rubric, desk, examples=(*some, empty))
        cards.press("Add an example", "add", "add_example", add, type="tertiary")


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


def _as_text(rubric: Rubric) -> list[str]:
    labels = [f"{label.title} [{label.key}]: {label.meaning}" for label in rubric.labels]
    examples = [f"{example.label}: {example.sentence} ({example.passage}) {example.why}" for example in rubric.examples]
    return [*labels, *rubric.guidelines.splitlines(), *examples]
