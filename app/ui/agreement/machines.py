"""The tab People against machines."""

import shlex
from functools import partial

import streamlit as st

from app import session
from app.ui import cards, cells, export, forms
from app.ui.agreement.corrected import corrected_headline, unjudged
from app.ui.agreement.measures import by_group, curves, measures
from app.ui.agreement.results import agreed, compute_once
from core.agreement.headline import Unjudged, with_scores
from core.agreement.machines import Machine, containment, facing, judge, read_scores
from core.agreement.views import View
from core.labs.scores import against_people

SENTENCES, ANSWERS = "Sentences", "Whole answers"


def draw(view: View) -> None:
    if view.part == "preference":
        return cards.empty("People against machines", "Machines are compared with ratings of answers, not with preferences.")
    whole = False
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        if view.part == "sentences" and view.table.texts:
            tip = "A whole answer's score is the mean over its sentences; it counts as yes if all of them do."
            whole = forms.one_of("Judged as", [SENTENCES, ANSWERS], "unit", bind="query-params", help=tip) == ANSWERS
        rest, newest = unjudged(view)
        mine = uploaded(view, rest)
        names = chosen_measures(view)
    bench, source = session.workbench(), view.source
    mine += compute_once(
        view, "measured", lambda: against_people.measured(bench, source, view.part, view.table, names, rest), newest, *names
    )
    scores = [*compute_once(view, "machines", lambda: containment(view.source, view.part, view.table)), *mine]
    if not scores:
        return cards.empty(
            "People against machines",
            "These labels come without their texts, so no machine can score them here. Upload a machine's scores above.",
        )
    key = (view.method, view.positive, tuple((machine.name, machine.scores.tobytes()) for machine in scores))
    faced = facing(view.source, view.part, view.table, agreed(view), view.positive, scores, whole)
    comparison = compute_once(view, "judged", lambda: judge(faced, whole), whole, *key)
    files = [f"--scores {shlex.quote(machine.name + '.csv')}" for machine in mine[: len(mine) - len(names)]]
    files += [f"--measure {name}" for name in names]
    command = view.command("--machines", *files, *(["--whole"] if whole else []))
    measures(view, comparison, command)
    by_name = {machine.name: machine for machine in comparison.machines}  # one at a time: curves of several lie on each other
    machine = by_name[st.selectbox("Curves and groups of", list(by_name), key="curve_measure", bind="query-params", width=340)]
    curves(view, comparison, machine, f"{command} --curves")
    by_group(machine, command)
    st.divider()
    corrected_headline(view, scores, with_scores(rest, mine), files, (newest, *key))


def chosen_measures(view: View) -> list[str]:
    """Measures of answers that are held against people too; what they computed is kept."""
    if view.source.study is None:
        return []
    offered = {name: each for name, each in against_people.usable().items() if not each.asks_model and not each.absent()}
    with st.popover("Measures of answers", icon=":material/fact_check:"):
        return st.multiselect(
            "Also compared with people", list(offered), format_func=lambda name: offered[name].label, key="measures_against"
        )


def uploaded(view: View, rest: Unjudged) -> list[Machine]:
    """A judge's scores from a file: of the labelled units, and of answers that nobody judged."""
    machines, texts = [], view.table.texts or ("",) * len(view.table.items)
    with st.popover("Scores of a judge", icon=":material/upload_file:"):
        more = (
            " Its last rows are stored answers without labels: with their scores the headline covers all answers."
            if rest.names
            else ""
        )
        st.caption(f"A CSV with the columns unit and score, from 0 to 1. Start from the table of units.{more}")
        units = [
            {"unit": name, "text": text, "score": ""}
            for name, text in (*zip(view.table.items, texts, strict=True), *zip(rest.names, rest.texts, strict=True))
        ]
        export.download("Table of units", partial(cells.to_csv, units), "units.csv", "units_csv", icon=None)
        for file in st.file_uploader("Scores", "csv", True, key="judge_scores", label_visibility="collapsed"):
            with cards.calm():
                machines.append(read_scores(file.getvalue().decode("utf-8", "replace"), view.table, file.name, rest.names))
    return machines
