"""Power, or the width of an interval, over the number of items."""

from typing import NamedTuple

import streamlit as st

from app.ui import cards, charts, jobs
from app.ui.studies.goals import METHODS, noun
from core.annotation import power
from core.annotation.power import GOALS, PowerCurves
from core.workbench import command_line


class Planned(NamedTuple):
    """A design, and what it reaches."""

    goal: str
    values: dict[str, float]  # that are assumed
    items: int
    annotators: int
    curves: PowerCurves

    @property
    def target(self) -> float:
        return self.values["target"]

    @property
    def rising(self) -> bool:
        return self.goal in ("difference", "means")

    @property
    def unit(self) -> str:
        return noun(self.goal)

    @property
    def what(self) -> str:
        return "Power" if self.rising else "Half-width of the 95% interval"


def power_curves(goal: str, values: dict[str, float], items: int, annotators: int, each: int) -> None:
    asked = (goal, tuple(values.items()), items, annotators)
    if st.session_state.get("power_asked") != asked:
        work = power.curves(goal, values, items, annotators)
        st.session_state.power_found, st.session_state.power_asked = jobs.drain(work, "Planning"), asked
    plan = Planned(goal, values, items, annotators, st.session_state.power_found)
    _cards(plan, each)
    _chart(plan)
    st.caption(METHODS[goal])


def _cards(plan: Planned, each: int) -> None:
    curves, rising, target, unit = plan.curves, plan.rising, plan.target, plan.unit
    items, annotators = plan.items, plan.annotators
    needed = curves.needed.get(annotators)
    enough = curves.at is not None and (curves.at >= target if rising else curves.at <= target)
    cards.row(
        [
            cards.Card(
                f"{'Power' if rising else 'Half-width'} of this design",
                curves.at,
                direction=0,
                note=f"{items:,} {unit}, {cards.count(annotators, 'annotator')}: {'enough' if enough else f'the goal is {target:g}'}",
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


def _chart(plan: Planned) -> None:
    curves, target, items, annotators, unit = plan.curves, plan.target, plan.items, plan.annotators, plan.unit
    traces, ends = _lines(plan)
    x, y = [n for n, _ in curves.simulated], [value for _, value in curves.simulated]
    traces += charts.scatter(x, y, name="Simulated", color=charts.COLORS[0], hover=f"%{{x}} {unit}, simulated: %{{y:.3f}}")
    if curves.at is not None:
        ring = charts.scatter(
            [items],
            [curves.at],
            name="This design",
            color=charts.COLORS[5],
            current=0,
            hover=f"{items:,} {unit}, {cards.count(annotators, 'annotator')}: {curves.at:.3f}",
        )
        traces += [trace | {"cliponaxis": False} for trace in ring]
    top = 1.02 if plan.rising else min(0.5, max(3 * target + 0.02, 1.1 * (curves.at or 0)))
    marks = charts.mark_line(target, f"wanted: {target:g}")
    marks["annotations"][0] |= {"x": 0, "xanchor": "left"}  # where no line is
    room = 30 + 6 * max(len(name) for _, name, _ in ends)
    shape = charts.figure(
        traces,
        unit.capitalize(),
        plan.what,
        height=310,
        legend=False,
        yaxis={"range": [0, top]},
        margin={"r": room},
        shapes=marks["shapes"],
        annotations=[*marks["annotations"], *_names_at_ends(ends, top)],
    )
    charts.show(
        shape,
        f"power-{plan.goal}",
        data=power.curve_rows(curves, annotators),
        command=_command(plan),
        title=GOALS[plan.goal],
        caption="lines by formula, points of 2,000 simulated studies, the ring is this design",
    )


def _lines(plan: Planned) -> tuple[list[dict], list[tuple[float | None, str, str]]]:
    """A line for each number of annotators, the chosen one solid; and (height, name, colour) of their right ends."""
    curves, annotators, unit, traces = plan.curves, plan.annotators, plan.unit, []
    alike: dict[tuple, list[int]] = {}  # two annotators decide no better than one: one line
    for k, line in curves.by_annotators.items():
        alike.setdefault(tuple(value and round(value, 9) for value in line), []).append(k)
    ends = []
    for number, (line, those) in enumerate(sorted(alike.items(), key=lambda group: annotators not in group[1])):
        own, color = annotators in those, charts.COLORS[number % len(charts.COLORS)]
        name = f"{' or '.join(map(str, those))} annotator{'s' * (those != [1])}" if len(alike) > 1 else "any number of annotators"
        trace = charts.line(
            curves.items, line, name=name, color=color, dash="solid" if own else "dot", hover=f"%{{x}} {unit}: %{{y:.3f}}"
        )[0]
        traces.append(trace | {"mode": "lines"})
        ends.append((line[-1], name, color))
    return traces, ends


def _command(plan: Planned) -> str:
    """What prints the same numbers."""
    assumed = [word for name, value in plan.values.items() for word in ("--set", f"{name}={value}")]
    design = "--annotators", str(plan.annotators), "--items", str(plan.items)
    return command_line("power", plan.goal, *assumed, *design, "--curve")


def _names_at_ends(ends: list[tuple[float | None, str, str]], top: float) -> list[dict]:
    """The lines' names at their right ends, apart enough to be read."""
    notes, least = [], 0.0
    for y, name, color in sorted((end for end in ends if end[0] is not None), key=lambda end: end[0]):
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
