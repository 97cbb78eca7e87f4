"""The tab Parallel coordinates: each recipe a line through its settings to its mean; the best and those not told from it stand out."""

from typing import Any

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts
from app.ui.cells import cut
from app.ui.trials.choice import look
from app.ui.trials.scope import Scope
from core.labs.trials import leaderboard as lab
from core.labs.trials.effects import Varied, varied
from core.labs.trials.leaderboard import Ranked

APART = 0.05  # of an axis: recipes of one level are drawn so far apart, the best on top


def draw(scope: Scope, names: dict[str, str]) -> None:
    if len(scope.members) < 2:
        return st.info("Lines need at least two trials on the same questions.", icon=":material/ssid_chart:")
    board = lab.leaderboard(session.workbench(), scope.members, scope.metric)
    settings = varied([row.trial for row in board.rows], ranges=False, whole=True)
    if not settings:
        return st.info("These trials do not differ in any setting.", icon=":material/ssid_chart:")
    paths = heights(board.rows, settings)
    marked = {trial.id: trial for trial in scope.chosen}
    traces = []
    for title, equal, color, width in (
        ("Significantly worse than the best", False, charts.faint(charts.BASELINE, 0.35), 1),
        ("The best and those not significantly worse", True, charts.COLORS[0], 2),
    ):
        places = [i for i, row in enumerate(board.rows) if row.equal == equal and row.trial.id not in marked]
        traces += lines(board.rows, paths, places, title, color, width)
    for place, row in enumerate(board.rows):
        if row.trial.id in marked:
            traces += lines(board.rows, paths, [place], cut(names[row.trial.id]), look(names, row.trial)["color"], 3)
    charts.show(
        shape(traces, settings, board.rows, scope.head),
        "parallel-coordinates",
        data=lab.rows(board, settings=True),
        command=scope.command("leaderboard", "--settings"),
        title=f"Settings and {scope.head}",
        caption=f"{scope.questions}; {len(board.rows):,} recipes, n {board.n:,}",
    )
    st.caption(
        f"One line per recipe; its mean is at the right. Blue: {cards.count(board.equals, 'recipe')} that are the "
        f"best or not significantly different "
        "from it. Lines through one level are drawn a little apart, the higher means above. Point at a line's end for its recipe."
    )


def heights(rows: list[Ranked], settings: list[Varied]) -> np.ndarray:
    """[recipes, axes] between 0 and 1: the place of each recipe on each axis."""
    rank = np.linspace(APART, -APART, len(rows))
    columns = []
    for setting in settings:
        size = len(setting.levels)
        place = np.where(setting.level < 0, -1, setting.level) + bool((setting.level < 0).any())
        columns.append(place / max(size - 1 + bool((setting.level < 0).any()), 1) + rank)
    means = np.array([row.interval.mean for row in rows])
    columns.append((means - means.min()) / max(np.ptp(means), 1e-12))
    return np.column_stack(columns)


def lines(rows: list[Ranked], paths: np.ndarray, places: list[int], title: str, color: str, width: int) -> list[dict[str, Any]]:
    """One trace of all these recipes, with gaps between them."""
    if not places:
        return []
    axes = paths.shape[1]
    x, y, hover = [], [], []
    for place in places:
        row = rows[place]
        x += [*range(axes), None]
        y += [*paths[place].tolist(), None]
        hover += [f"{charts.safe(cut(row.trial.title, 70))} ({row.trial.short}): {row.interval.mean:.3f}"] * axes + [""]
    return [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": x,
            "y": y,
            "name": charts.safe(title),
            "showlegend": True,
            "line": {"color": color, "width": width},
            "marker": {"size": 3 + width, "color": color},
            "hovertext": hover,
            "hovertemplate": "%{hovertext}<extra></extra>",
        }
    ]


def shape(traces: list[dict[str, Any]], settings: list[Varied], rows: list[Ranked], head: str) -> charts.Figure:
    """The axes with their levels in words."""
    notes, rules = [], []
    means = [row.interval.mean for row in rows]
    for axis, setting in enumerate([*settings, None]):
        rules.append({"type": "line", "x0": axis, "x1": axis, "y0": 0, "y1": 1, "line": {"color": charts.BASELINE, "width": 1}})
        levels = ["none"] * bool(setting and (setting.level < 0).any()) + (setting.levels if setting else [])
        ticks = [(i / max(len(levels) - 1, 1), level) for i, level in enumerate(levels)]
        if setting is None:
            ticks = [(0.0, f"{min(means):.3f}"), (1.0, f"{max(means):.3f}")]
        if len(ticks) > 9:
            ticks = [ticks[i] for i in np.linspace(0, len(ticks) - 1, 9).round().astype(int)]
        notes += [
            {
                "x": axis,
                "y": at,
                "text": charts.safe(cut(word, 18)),
                "showarrow": False,
                "xanchor": "left" if setting is None else "right",
                "xshift": 8 if setting is None else -8,
                "font": {"size": 11},
                "bgcolor": charts.GROUND,
            }
            for at, word in ticks
        ]
    titles = [charts.safe(cut(setting.title, 26)) for setting in settings] + [head]
    return charts.figure(
        traces,
        height=440,
        shapes=rules,
        annotations=notes,
        margin={"b": 44},
        xaxis={
            "tickvals": list(range(len(titles))),
            "ticktext": titles,
            "range": [-0.45, len(titles) - 0.7],
            "showline": False,
            "ticks": "",
        },
        yaxis={"visible": False, "range": [-0.1, 1.1]},
    )
