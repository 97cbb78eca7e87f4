"""The tab Next token: one place of the answer, before and after each step of the chain."""

from collections.abc import Callable, Sequence

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, tables
from app.ui.sampling.chain import trace_command
from app.ui.sampling.tokens import share, unseen, visible
from core.config import TrialConfig
from core.labs.sampling import prompts
from core.labs.sampling.traces import probability_rows, shown_tokens, step_name, step_table
from core.sampling.filters import History
from core.sampling.trace import Distribution, most_likely, trace
from core.sampling.writing import Written

KEPT, CUT = charts.COLORS[0], charts.COLORS[5]
PANELS = 6  # distributions in a row of a chart
LONGEST = 8  # characters of a word above one of them
OFFERED = 12  # tokens to force
Force = Callable[[int], None]


def next_token(
    config: TrialConfig, reading: prompts.Reading, steps: Sequence, written: Written | None, place: int, force: Force
) -> None:
    """One place of the answer, before and after each step. force(token) is called when another token is clicked."""
    pick = written.picks[place] if written else None
    start = pick.before if pick else History(tuple(reading.prompt.tokens), len(reading.prompt.tokens))
    stages = trace(pick.logits if pick else prompts.first_logits(session.workbench(), config, reading), steps, start)
    chosen, tokens = pick.token if pick else None, shown_tokens(stages)
    named = dict(zip(tokens, prompts.token_texts(config, tokens), strict=True))
    stage_cards(stages)
    command = trace_command(config, written, steps, place)
    key = f"next/{place}/{st.session_state.get('writings', 0)}"

    def clicked() -> None:
        points = st.session_state[f"chart/{key}"]["selection"]["points"]
        token = points[0].get("customdata") if points else None
        token = token[0] if isinstance(token, list) else token
        if token is not None and token >= 0:
            force(int(token))

    charts.show(
        stages_figure(stages, named, chosen),
        "next-token",
        data=probability_rows(stages, named),
        config=config,
        key=key,
        on_select=clicked,
        command=command,
        title=f"What may stand at place {place + 1} of the answer",
        caption="a row: a token after each step; click a bar to choose it",
    )
    force_pills(config, stages, chosen, key, force)
    with st.expander("The steps in numbers"):
        tables.draw(step_table(stages, command))


def stage_cards(stages: Sequence[Distribution]) -> None:
    first, last = stages[0], stages[-1]
    mass = 1 - first.probabilities[last.support].sum()
    cards.row(
        [
            cards.Card("Possible next tokens", len(last.support), digits=0, direction=0, note=f"of {len(first.support):,}"),
            cards.Card("Probability cut", 100 * max(mass, 0.0), unit="%", digits=1, direction=0, note="of the model's own"),
            cards.Card(
                "Entropy",
                last.entropy_bits,
                unit="bits",
                digits=2,
                direction=0,
                note=f"the model's own {first.entropy_bits:.2f}",
                help="Of the next token, after the last step.",
            ),
            cards.Card(
                "Perplexity",
                last.perplexity,
                digits=1,
                direction=0,
                note=f"the model's own {first.perplexity:,.1f}",
                help="The number of equally likely tokens that have this entropy.",
            ),
        ]
    )


def stages_figure(stages: Sequence[Distribution], named: dict[int, str], chosen: int | None) -> charts.Figure:
    """A panel a step, all with the same tokens and, last, all others together; what the step cuts keeps the bar it had before,
    in the other colour."""
    tokens, lines, across = [*named], -(-len(stages) // PANELS), min(len(stages), PANELS)
    height, traces, axes, notes = (len(tokens) + 1) * 20 + 100, [], {}, []
    bold = {token: f"<b>{charts.safe(visible(name))}</b>" for token, name in named.items() if token == chosen}
    words = [*(bold.get(token) or charts.safe(visible(name)) for token, name in named.items()), "<i>all others</i>"]
    drawn = [_bars(stage, before, tokens) for before, stage in zip([None, *stages[:-1]], stages, strict=True)]
    widest = max((k or 0) + (c or 0) for bars in drawn for k, c in zip(*bars, strict=True))  # one scale, so that bars compare
    for i, (stage, (solid, cut)) in enumerate(zip(stages, drawn, strict=True)):
        end, left, top = str(i + 1) if i else "", (i % PANELS) / across, 1 - i // PANELS / lines
        x, y = [left, left + 1 / across - 0.015], [max(0.0, top - 1 / lines + 0.02), top - 78 / height / lines]
        for name, values, color, pattern in (("Kept", solid, KEPT, ""), ("Cut by the step, as it was before", cut, CUT, "/")):
            traces.append(
                {
                    "type": "bar",
                    "orientation": "h",
                    "y": list(range(len(values))),
                    "x": values,
                    "customdata": [*tokens, -1],
                    "xaxis": f"x{end}",
                    "yaxis": f"y{end}",
                    "name": name,
                    "legendgroup": name,
                    "showlegend": i == 0,
                    "marker": {"color": color, "pattern": {"shape": pattern, "size": 5}},
                    "textposition": "outside",
                    "cliponaxis": False,
                    "base": [0.0] * len(tokens) + [(solid[-1] or 0.0) if color == CUT else 0.0],
                    "text": [
                        ""
                        if v is None or (color == KEPT and cut[n] is not None)
                        else "cut"
                        if color == CUT and n < len(tokens)
                        else share(v)
                        for n, v in enumerate(values)
                    ],
                    "textfont": {"size": 11} | ({"color": CUT} if color == CUT else {}),
                    "constraintext": "none",
                    "textangle": 0,
                    "hovertemplate": f"%{{x:.3%}}<extra>{'kept' if color == KEPT else 'cut here'}</extra>",
                }
            )
        # beside the longest bar its number has room in a narrow window, too
        axes[f"xaxis{end}"] = {"domain": x, "anchor": f"y{end}", "range": [0, 2.2 * widest], "visible": False}
        axes[f"yaxis{end}"] = {
            "domain": y,
            "anchor": f"x{end}",
            "tickvals": list(range(len(words))),
            "ticktext": words,
            "autorange": "reversed",
            "showticklabels": i % PANELS == 0,
            "showgrid": False,
            "automargin": True,
            "zeroline": False,
            "showline": True,
            "linewidth": 1,
            "title": {"text": ""},
        }
        title = broken(charts.safe(step_name(stage)))
        notes.append(
            {
                "xref": "paper",
                "yref": "paper",
                "x": x[0],
                "y": y[1],
                "xanchor": "left",
                "yanchor": "bottom",
                "align": "left",
                "showarrow": False,
                "font": {"size": 11},
                "text": f"<b>{title}</b><br>{stage.entropy_bits:.2f} bits",
            }
        )
    return charts.figure(
        traces,
        height=lines * height,
        legend=True,
        barmode="overlay",
        annotations=notes,
        bargap=0.25,
        clickmode="event+select",
        margin={"l": 8, "r": 24, "t": 30, "b": 8},
        **axes,
    )


def broken(name: str) -> str:
    """The step above its setting; a long word in two lines, for a panel of six has no room for it in a narrow window."""
    word, _, setting = name.partition(" ")
    half = -(-len(word) // 2)
    return "<br>".join(filter(None, (f"{word[:half]}-<br>{word[half:]}" if len(word) > LONGEST else word, setting)))


def _bars(stage: Distribution, before: Distribution | None, tokens: Sequence[int]) -> tuple[list, list]:
    """(solid, cut): probabilities of the tokens and of all others together; None: no bar."""
    gone = set(stage.cut.tolist())
    solid = [float(stage.probabilities[t]) if stage.logits[t] > -np.inf else None for t in tokens]
    cut = [float(before.probabilities[t]) if before is not None and t in gone else None for t in tokens]
    solid_here, cut_here = ([value for value in values if value is not None] for values in (solid, cut))
    others = max(0.0, 1 - sum(solid_here)) if len(stage.support) > len(solid_here) else None
    lost = max(0.0, stage.cut_mass - sum(cut_here)) if len(gone) > len(cut_here) else None
    return [*solid, others], [*cut, lost]


def force_pills(config: TrialConfig, stages: Sequence[Distribution], chosen: int | None, key: str, force: Force) -> None:
    offered = [int(token) for token in most_likely(stages[0].probabilities, OFFERED)]
    names = dict(zip(offered, prompts.token_texts(config, offered), strict=True))

    def said(token: int) -> str:
        odds, here = share(stages[0].probabilities[token]), " ●" if token == chosen else ""
        return f"{cards.plain(visible(names[token]))}{unseen(token)} :gray[{odds}]{here}"

    def picked() -> None:
        if (token := st.session_state[f"force/{key}"]) is not None:
            force(token)

    st.pills(
        "Choose another token here and continue from it",
        offered,
        key=f"force/{key}",
        format_func=said,
        on_change=picked,
        wrap=True,
        help="Also tokens that the chain cuts. The dot marks the current token.",
    )
