"""The tab By annotator."""

from typing import Any

import streamlit as st

from app.ui import cards
from app.ui.agreement import figures
from app.ui.agreement.results import compute_once
from app.ui.agreement.tables import between, figure, inside, table
from core.agreement import annotators, views
from core.agreement.views import View
from core.report.table import COUNT, MEAN, ONE, P_VALUE, Column, Table, with_values, written

OF_SEVERAL = ("Alpha without", "With majority", "95% interval")  # say nothing of two annotators
CHANGE = (
    "Correlation of an annotator's agreement with the order of their labels: below 0, agreement falls. p: permutation test, "
    "Holm over the annotators."
)
COLUMNS = (
    Column("Annotator", width=104),
    Column("Labels", "", COUNT),
    Column(
        "Alpha without", "", MEAN, "Alpha of the other annotators. Above the alpha of all: agreement is better without this one."
    ),
    Column("With majority", "", MEAN, "Share of labels that match the majority of the others."),
    Column("95% interval", help="Of the share with the majority.", width=120),
    Column("Ability", "", MEAN, "Dawid and Skene: chance of the right label on an item drawn at random."),
    Column("Self-agreement", "", MEAN, "Share of hidden duplicates labelled alike."),
    Column("Attention", help="Sentences with known labels that were labelled right.", width=80),
    Column(
        "In bulk",
        "",
        COUNT,
        "Sentences labelled together with those of other screens; they are no measure of speed or attention.",
    ),
    Column("Seconds an item", "", ONE, "The median, in seconds, of items without a sentence labelled in bulk."),
    Column("Change over time", help=CHANGE, width=128),
)


def draw(view: View) -> None:
    people = compute_once(view, "people", lambda: annotators.people(view.source, view.part, view.round, view.table))
    if len(people.rows) < 2:
        return cards.empty("Annotators beside each other", "One person has labelled so far. Agreement takes two.")
    two, command = len(people.rows) == 2, view.command("--annotators")
    columns = _table(people, two, command)
    st.caption(" ".join([*_notes(view, people, two, columns), "Shares of few labels are unreliable."]))
    if not two:
        _pair_figures(view, people, command)
    if any(row.drift and row.drift.trend is not None for row in people.rows):
        _drift_figure(view, people, command)


def _table(people: annotators.People, two: bool, command: str) -> set[str]:
    """A row a person, without columns in which nothing stands; returns those that are shown."""
    rows = sorted(map(person_row, people.rows), key=lambda row: -row["Labels"])
    left_out = OF_SEVERAL if two else ()  # of two, each agrees with the other as often, and nobody is left without one
    columns = [column for column in with_values(COLUMNS, rows) if column.key not in left_out]
    table(Table("annotators", columns, rows, "Annotators beside each other", command=command))
    return {column.key for column in columns}


def _notes(view: View, people: annotators.People, two: bool, columns: set[str]) -> list[str]:
    told = [
        f"Self-agreement of all: {people.twice.mean:.3f}{inside(people.twice)}, {people.twice.n:,} repeated {view.units}."
        if people.twice
        else "",
        "" if people.timed else "The labels have no times: no speed and no trend.",
        "" if len(people.names) == len(people.rows) else f"Charts show the {len(people.names)} with the most labels.",
        cards.plain(views.NO_DAWID_SKENE) if view.table.categories and "Ability" not in columns else "",
    ]
    if two:
        told.insert(
            0,
            "Agreement of the two is shown above. Who differs from the others, and alpha without each annotator, need at "
            "least three annotators.",
        )
    return [text for text in told if text]


def _pair_figures(view: View, people: annotators.People, command: str) -> None:
    """How each two agree, and alpha without each."""
    many = len(people.names) > 10  # side by side they would be too small to read
    left, right = (st.container(), st.container()) if many else st.columns([1.15, 1], gap="medium")
    with left:
        figure(
            view,
            figures.pairs(people),
            "pairs-of-annotators",
            data=annotators.pair_rows(people),
            command=command,
            title=f"{people.coefficient} of pairs",
            caption="empty: undefined or nothing shared",
        )
    with right:
        data = [
            {"annotator": row.name, "alpha of the others": row.left_out.value, "change": row.left_out.change}
            for row in people.rows
        ]
        figure(
            view,
            figures.left_out(people),
            "left-out",
            data=data,
            command=command,
            title="Alpha without each annotator",
            caption="to the right: better without",
        )


def _drift_figure(view: View, people: annotators.People, command: str) -> None:
    figure(
        view,
        figures.drifts(people),
        "drift",
        data=annotators.third_rows(people.rows),
        command=command,
        title="Agreement over time",
        caption="with the others, by thirds of each annotator's labels",
    )


def person_row(row: annotators.Person) -> dict[str, Any]:
    share, speed, drift = row.dissent and row.dissent.agreed, row.speed, row.drift
    return {
        "Annotator": row.name,
        "Labels": row.labels,
        "Alpha without": row.left_out.value,
        "With majority": share and share.mean,
        "95% interval": between(share),
        "Ability": row.ability,
        "Self-agreement": row.self_agreement and row.self_agreement.mean,
        "Attention": f"{row.attention.right} of {row.attention.asked}" if row.attention else "",
        "In bulk": row.bulk or None,
        "Seconds an item": speed and speed.median,
        "Change over time": change(drift),
    }


def change(drift: Any) -> str:
    if drift is None or drift.trend is None:
        return ""
    return f"r {written(drift.trend, '%+.2f')}" + ("" if drift.p_holm is None else f", p {written(drift.p_holm, P_VALUE)}")
