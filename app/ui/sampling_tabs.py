"""What the page Sampling shows of one prompt: the next token step by step, the answer as a heatmap, searches, settings side by side."""

import shlex
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, cells, charts, evidence, forms, jobs
from core.config import TrialConfig
from core.judging.containment import THRESHOLD
from core.labs.sampling import prompts
from core.labs.sampling.chains import describe_chain, presets, read_chain
from core.labs.sampling.searches import Continuation, Searched, search
from core.labs.sampling.sides import Side, engines, written_sides
from core.records import Hit, Progress
from core.sampling.filters import History
from core.sampling.search import SEARCHES
from core.sampling.trace import Stage, most_likely, trace
from core.sampling.writing import Written

KEPT, CUT = charts.COLORS[0], charts.COLORS[5]
ROWS, PANELS = 14, 6  # tokens in a chart, distributions in a row of it
OFFERED = 12  # tokens to force
CUTS = 2  # of what a step cut, the likeliest
UNSURE = 8  # rows of the table
MOST_SIDES = 4
HEATS = {  # of a token -> (button, what the colour says, colour)
    "probability": ("Probability", "stronger: the model gave the token less probability", "230,159,0"),
    "entropy": ("Entropy", "stronger: the model was less sure at this place (8 bits: strongest)", "86,180,233"),
    "chain": ("Under the chain", "stronger: the chain gave the token less probability", "204,121,167"),
}
METHODS = {"beam": "Beam search", "contrastive": "Contrastive search"}
STEPS_LOOK = """
[class*="st-key-step-"] { padding: .45rem .8rem .1rem !important; }
[class*="st-key-step-"] .stHorizontalBlock, [class*="st-key-step-"] [data-testid="stHorizontalBlock"] { flex-wrap: nowrap !important; }
"""
LOOK = """
.st-key-tokens [data-testid="stButtonGroup"] > div, .st-key-tokens [role="radiogroup"] { gap: 2px 0; flex-wrap: wrap; }
.st-key-tokens button { border: 0; border-radius: 2px; padding: 0 1px; min-height: 1.6rem; height: 1.6rem; min-width: .5rem; }
.st-key-tokens button p { font-size: .95rem; line-height: 1.5; }
.st-key-tokens button[kind="pillsActive"], .st-key-tokens button[aria-checked="true"] {
  box-shadow: inset 0 -3px 0 var(--gw-accent); font-weight: 600; }
"""
Force = Callable[[int], None]


def visible(token: str) -> str:
    """A token as one can see it: spaces and line ends have signs."""
    return token.replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥") or "∅"


def unseen(number: int) -> str:
    """The number in characters of no width: pills are told apart by their labels, and the same word may stand twice."""
    return "".join("\u200b\u200c"[int(digit)] for digit in f"{number:b}")


def share(p: float) -> str:
    return f"{p:.0%}" if p >= 0.0995 else f"{p:.1%}" if p >= 0.0005 else "<0.1%"


def command(config: TrialConfig, chains: Sequence[str] = (), rest: Sequence[str] = ()) -> str:
    words = [word for text in chains or [st.session_state.chain] for word in ("--chain", text)]
    return f"{session.workbench().command(config, 'sample-study')} {shlex.join([*words, *rest])}"


# The answer, token by token ------------------------------------------------------------------------------------------


def heat(written: Written, by: str) -> np.ndarray:
    """[tokens] from 0 (the model was sure) to 1."""
    if by == "entropy":
        return np.minimum(1.0, written.traced.entropy_bits / 8)
    return 1 - (written.traced.probability if by == "probability" else np.array([p.chain_probability for p in written.picks]))


def tokens_row(config: TrialConfig, written: Written) -> int:
    """The answer as tokens that can be clicked, coloured; returns the place of the chosen one."""
    by = st.session_state.get("heat") or "probability"
    names, rules = prompts.token_texts(config, [p.token for p in written.picks]), []
    for place, (name, value, pick) in enumerate(zip(names, heat(written, by), written.picks, strict=True), 1):
        ring = "outline:2px solid var(--gw-accent);outline-offset:-2px;" if pick.forced else ""
        rules.append(
            f".st-key-tokens button:nth-of-type({place}){{background:rgba({HEATS[by][2]},{0.8 * value:.2f});"
            f"margin-left:{'.3em' if name[:1].isspace() else '0'};{ring}}}"
        )
    st.html(f"<style>{LOOK}{''.join(rules)}</style>")
    labels = [name.strip() or ("⏎" if "\n" in name else "␣") for name in names]
    if written.reason == "stop":
        labels[-1] = "end"
    places = list(range(len(names)))
    if st.session_state.get("tokens") not in places:
        st.session_state.tokens = 0
    chosen = st.pills(
        "Tokens of the answer",
        places,
        key="tokens",
        wrap=True,
        label_visibility="collapsed",
        format_func=lambda i: cards.plain(labels[i]) + unseen(i) if i < len(labels) else "",
    )
    return chosen or 0


# Next token ----------------------------------------------------------------------------------------------------------


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
    data = [
        {
            "step": step_name(stage),
            "token": token,
            "text": name,
            "probability": float(stage.probabilities[token]),
            "kept": bool(stage.logits[token] > -np.inf),
        }
        for stage in stages
        for token, name in named.items()
    ]
    key = f"next/{place}/{st.session_state.get('writings', 0)}"

    def clicked() -> None:
        points = st.session_state[f"chart/{key}"]["selection"]["points"]
        found = points[0].get("customdata") if points else None
        found = found[0] if isinstance(found, list) else found
        if found is not None and found >= 0:
            force(int(found))

    charts.show(
        stages_figure(stages, named, chosen),
        "next-token",
        data=data,
        config=config,
        key=key,
        on_select=clicked,
        command=command(config),
        title=f"What may stand at place {place + 1} of the answer",
        caption="a row: a token after each step; click a bar to put it there",
    )
    force_pills(config, stages, chosen, key, force)
    with st.expander("The steps in numbers"):
        step_table(stages)


def stage_cards(stages: Sequence[Stage]) -> None:
    first, last = stages[0], stages[-1]
    mass = 1 - first.probabilities[last.kept].sum()
    cards.row(
        [
            cards.Card("Tokens that can come", len(last.kept), digits=0, direction=0, note=f"of {len(first.kept):,}"),
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
                help="As many equally likely tokens have this entropy.",
            ),
        ]
    )


def step_name(stage: Stage) -> str:
    return describe_chain([stage.step]) if stage.step else "model itself"


def shown_tokens(stages: Sequence[Stage]) -> list[int]:
    """The likeliest tokens of the model and those that steps made likely, with the likeliest that each step cut."""
    some: dict[int, None] = {}
    for before, stage in pairwise(stages):
        some |= dict.fromkeys(stage.cut[np.argsort(-before.probabilities[stage.cut], kind="stable")[:CUTS]].tolist())
    for stage in (stages[-1], stages[0]):
        for token in most_likely(stage.probabilities, ROWS).tolist():
            if len(some) < ROWS + 2 and stage.probabilities[token] > 0:
                some[token] = None
    return sorted(some, key=lambda token: (-stages[0].probabilities[token], token))


def stages_figure(stages: Sequence[Stage], named: dict[int, str], chosen: int | None) -> charts.Figure:
    """A panel a step, all with the same tokens and, last, all others together; what the step cuts keeps the bar it had before,
    in the other colour."""
    tokens, lines, across = [*named], -(-len(stages) // PANELS), min(len(stages), PANELS)
    height, traces, axes, notes = (len(tokens) + 1) * 20 + 100, [], {}, []
    bold = {token: f"<b>{charts.safe(visible(name))}</b>" for token, name in named.items() if token == chosen}
    words = [*(bold.get(token) or charts.safe(visible(name)) for token, name in named.items()), "<i>all others</i>"]
    drawn = [_bars(stage, before, tokens) for before, stage in zip([None, *stages[:-1]], stages, strict=True)]
    widest = max((k or 0) + (c or 0) for bars in drawn for k, c in zip(*bars, strict=True))  # one scale, so that bars compare
    for i, (stage, (kept, cut)) in enumerate(zip(stages, drawn, strict=True)):
        end, left, top = str(i + 1) if i else "", (i % PANELS) / across, 1 - i // PANELS / lines
        x, y = [left, left + 1 / across - 0.015], [max(0.0, top - 1 / lines + 0.02), top - 78 / height / lines]
        for name, values, color, pattern in (("Kept", kept, KEPT, ""), ("Cut by the step, as it was before", cut, CUT, "/")):
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
                    "base": [0.0] * len(tokens) + [(kept[-1] or 0.0) if color == CUT else 0.0],
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
        axes[f"xaxis{end}"] = {"domain": x, "anchor": f"y{end}", "range": [0, 1.75 * widest], "visible": False}
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
        title = charts.safe(step_name(stage)).replace(" ", "<br>", 1)
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


def _bars(stage: Stage, before: Stage | None, tokens: Sequence[int]) -> tuple[list, list]:
    """(kept, cut): probabilities of the tokens and of all others together; None: no bar."""
    gone = set(stage.cut.tolist())
    kept = [float(stage.probabilities[t]) if stage.logits[t] > -np.inf else None for t in tokens]
    cut = [float(before.probabilities[t]) if before is not None and t in gone else None for t in tokens]
    kept_here, cut_here = ([value for value in values if value is not None] for values in (kept, cut))
    others = max(0.0, 1 - sum(kept_here)) if len(stage.kept) > len(kept_here) else None
    lost = max(0.0, stage.cut_mass - sum(cut_here)) if len(gone) > len(cut_here) else None
    return [*kept, others], [*cut, lost]


def force_pills(config: TrialConfig, stages: Sequence[Stage], chosen: int | None, key: str, force: Force) -> None:
    offered = [int(token) for token in most_likely(stages[0].probabilities, OFFERED)]
    names = dict(zip(offered, prompts.token_texts(config, offered), strict=True))

    def said(token: int) -> str:
        odds, here = share(stages[0].probabilities[token]), " ●" if token == chosen else ""
        return f"{cards.plain(visible(names[token]))}{unseen(token)} :gray[{odds}]{here}"

    def picked() -> None:
        if (token := st.session_state[f"force/{key}"]) is not None:
            force(token)

    st.pills(
        "Put another token here and go on from it",
        offered,
        key=f"force/{key}",
        format_func=said,
        on_change=picked,
        wrap=True,
        help="Also those that the chain cuts. The dot marks the token that stands there.",
    )


def step_table(stages: Sequence[Stage]) -> None:
    number = st.column_config.NumberColumn
    cells.show(
        [
            {
                "Step": f"{i}  {step_name(s)}" if i else step_name(s),
                "Kept": len(s.kept),
                "Cut here": len(s.cut),
                "Probability cut": 100 * s.cut_mass,
                "Entropy": s.entropy_bits,
                "Perplexity": s.perplexity,
            }
            for i, s in enumerate(stages)
        ],
        hide_index=True,
        key="steps_table",
        column_config={
            "Kept": number(format="localized"),
            "Cut here": number(format="localized"),
            "Probability cut": number(format="%.2f %%"),
            "Entropy": number(format="%.3f bits"),
            "Perplexity": number(format="%.2f"),
        },
    )


# The answer ----------------------------------------------------------------------------------------------------------


def answer(config: TrialConfig, written: Written, hits: Sequence[Hit]) -> None:
    traced, n = written.traced, len(written.picks)
    cards.row(
        [
            cards.Card("Perplexity", traced.perplexity, digits=2, direction=0, note=f"{n:,} tokens, under the model itself"),
            cards.Card("Mean entropy", float(traced.entropy_bits.mean()), unit="bits", digits=2, direction=0),
            cards.Card(
                "Not the likeliest", 100 * float((traced.rank > 1).mean()), unit="%", digits=0, direction=0, note="of the tokens"
            ),
            cards.Card(
                "Speed",
                written.tokens_per_s,
                unit="tokens/s",
                digits=0,
                direction=0,
                note=f"the model ran for {written.ran:,} of {n:,} tokens",
            ),
        ]
    )
    names = [visible(name) for name in prompts.token_texts(config, traced.token)]
    unsure_chart(config, written, names)
    unsure_table(config, written, names)
    carried(written, hits)


def unsure_chart(config: TrialConfig, written: Written, names: list[str]) -> None:
    traced, places, said = written.traced, list(range(1, len(names) + 1)), [charts.safe(name) for name in names]
    traces = [
        {
            "type": "bar",
            "x": places,
            "y": traced.entropy_bits.tolist(),
            "name": "Entropy",
            "marker": {"color": charts.COLORS[4]},
            "hovertext": said,
            "hovertemplate": "%{hovertext}<br>%{y:.2f} bits<extra>entropy</extra>",
        },
        {
            "type": "scatter",
            "mode": "lines+markers",
            "x": places,
            "y": (-traced.logprob / np.log(2)).tolist(),
            "name": "Surprise at the token",
            "line": {"color": charts.COLORS[5], "width": 1.5},
            "marker": {"size": 5},
            "hovertext": said,
            "hovertemplate": "%{hovertext}<br>%{y:.2f} bits<extra>surprise</extra>",
        },
    ]
    columns = {
        "place": places,
        "token": traced.token.tolist(),
        "text": names,
        "probability": traced.probability.tolist(),
        "entropy_bits": traced.entropy_bits.tolist(),
        "rank": traced.rank.tolist(),
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    charts.show(
        charts.figure(traces, "place in the answer (tokens)", "bits", height=260, legend=True),
        "unsure",
        data=rows,
        config=config,
        command=command(config),
        title="Where the model was unsure",
        caption="entropy: of all tokens at that place; surprise: −log₂ of the one written",
    )


def unsure_table(config: TrialConfig, written: Written, names: list[str]) -> None:
    traced, number, rows = written.traced, st.column_config.NumberColumn, []
    for place in np.argsort(traced.probability, kind="stable")[:UNSURE].tolist():
        told = dict(zip(*(table[place].tolist() for table in (traced.alternatives, traced.alternative_probability)), strict=True))
        others = [token for token in told if token != traced.token[place]][:3]
        texts = prompts.token_texts(config, others)
        rows.append(
            {
                "Place": place + 1,
                "Token": names[place],
                "Probability": 100 * float(traced.probability[place]),
                "Rank": int(traced.rank[place]),
                "Entropy": float(traced.entropy_bits[place]),
                "Instead": ", ".join(f"{visible(text)} {told[t]:.0%}" for t, text in zip(others, texts, strict=True)),
            }
        )
    cells.show(
        rows,
        hide_index=True,
        key="unsure_table",
        column_config={
            "Place": number(width=60),
            "Probability": number(format="%.1f %%", width=90),
            "Rank": number(width=60, help="1: the likeliest."),
            "Entropy": number(format="%.2f bits", width=90),
            "Instead": st.column_config.TextColumn(width="large"),
        },
    )


def carried(written: Written, hits: Sequence[Hit]) -> None:
    """Sentence by sentence: how sure the model was, and the passage whose words it repeats."""
    found = prompts.sentences(written, hits)
    if not found:
        return
    st.markdown("**The passage that carries each sentence**")
    body = ""
    for one in found:
        passage = "no passage" if hits else "none was given"
        if one.passage:
            weakly = "" if one.containment >= THRESHOLD else "weakly "
            passage = f'{weakly}<span class="gw-chip">{one.passage}</span> {one.containment:.0%}'
        body += (
            f'<tr><td>{cards.escape(one.text)}</td><td class="num">{one.probability:.0%}</td><td class="num">{passage}</td></tr>'
        )
    st.html(
        '<table class="gw gw-table"><tr><th>Sentence</th><th class="num">A token’s probability</th>'
        f'<th class="num">Shares its word triples with</th></tr>{body}</table>'
    )
    used = sorted({one.passage for one in found if one.passage})
    evidence.show([evidence.hit_html(hits[n - 1], number=n, query=written.text) for n in used])
    st.caption(
        "Shared words show where a sentence comes from, not that it is right. Words of the answer are bold in the passage."
    )


# Searches ------------------------------------------------------------------------------------------------------------


def chosen_search(name: str) -> Any:
    """The search with the settings that its sliders show, also while they are not drawn."""
    kept = st.session_state.setdefault("searches", {})
    return kept.get(name) or SEARCHES[name]()


def searches(config: TrialConfig, reading: prompts.Reading, most: int) -> None:
    """A search run on a button, drawn as it grows; afterwards its growth can be stepped through."""
    state = st.session_state
    name = (
        st.segmented_control(
            "Search",
            list(METHODS),
            default="beam",
            key="search",
            bind="query-params",
            required=True,
            format_func=METHODS.get,
            label_visibility="collapsed",
        )
        or "beam"
    )
    how, values = chosen_search(name), {}
    st.caption(" ".join((type(how).__doc__ or "").split()))
    for column, knob in zip(st.columns(2), forms.knobs(type(how)), strict=True):
        with column:
            forms.show_value(f"{name}.{knob.name}", getattr(how, knob.name), always=False)
            values[knob.name] = forms.widget(knob, f"{name}.{knob.name}")
    how = state.searches[name] = type(how)(**values)
    kept, about = state.get(f"searched/{name}"), (reading.key, how, most)
    with st.container(horizontal=True, vertical_alignment="center"):
        run = st.button("Search", icon=":material/play_arrow:", key="do/search", type="primary")
        if kept and kept[0] != about:
            st.caption("What stands below is of another prompt or setting.", width="content")
    if run:
        kept = state[f"searched/{name}"] = about, *grown(config, reading, how, most)
    if not kept:
        return st.caption(
            "Deterministic: the chain plays no part. Computed with the same weights through transformers, which reads "
            "several texts at once; a token may differ from llama.cpp's."
        )
    _, history, found = kept
    after = end = len(history)
    if end > 1:
        after = st.slider("After so many tokens", 1, end, end, key=f"after/{name}/{end}")
    last = after == end
    lines_table(found.lines if last else history[after - 1], open_ones=not last)
    st.caption(f"{cards.duration(found.seconds)} in all, {cards.duration(found.first_s)} to the first token.")
    if found.chosen:
        chosen_table(config, found, after)


def grown(config: TrialConfig, reading: prompts.Reading, how: Any, most: int) -> tuple[list, Searched]:
    """(open lines after each token, what was found), drawn meanwhile; any click ends it."""
    place, history = st.empty(), []
    work = search(config, reading, how, most)
    with place.container():
        st.button("Cancel", key="stop/search", icon=":material/close:", shortcut="Escape")
        told, table = st.empty(), st.empty()
        try:
            while True:
                step = next(work)
                if isinstance(step, Progress):
                    told.caption(step.message)
                    continue
                history.append(step)
                told.caption(f"token {len(history):,} of {most:,} at most")
                with table.container():
                    lines_table(step, open_ones=True)
        except StopIteration as end:
            place.empty()
            return history, end.value
        finally:
            work.close()


def lines_table(lines: Sequence[Continuation], open_ones: bool) -> None:
    """Texts under each other; what all of them share is muted, so that one sees where they part."""
    same = zip(*(line.text for line in lines), strict=False)
    shared = next((i for i, letters in enumerate(same) if len(set(letters)) > 1), 0)
    score, body = lines[0].score is not None, ""
    for i, line in enumerate(lines, 1):
        numbers = [f"{line.logprob:.2f}", *([f"{line.score:.3f}"] if score else [])]
        body += (
            f'<tr><td class="num">{i}</td><td><span style="color:var(--gw-muted)">{cards.escape(line.text[:shared])}</span>'
            f"{cards.escape(line.text[shared:])}{'' if open_ones else ' ■' if line.ended else ' …'}</td>"
            + "".join(f'<td class="num">{number}</td>'.replace("-", "\u2212") for number in numbers)
            + "</tr>"
        )
    head = '<th class="num">Score</th>' if score else ""
    st.html(
        f'<table class="gw gw-table"><tr><th class="num"></th><th>{"Open beginnings" if open_ones and score else "Text"}</th>'
        f'<th class="num">log p</th>{head}</tr>{body}</table>'
    )
    if not open_ones:
        st.caption(
            "■ ended by itself, … cut at its length. log p: natural logarithm of the text's probability under the model."
            + (" Score: log p over length to the power of the penalty." if score else "")
        )


def chosen_table(config: TrialConfig, found: Searched, after: int) -> None:
    """Contrastive search, token by token: what it took, and what greedy choice would have."""
    number, rows = st.column_config.NumberColumn, []
    for place, one in enumerate(found.chosen[:after], 1):
        i = one.candidates.tolist().index(one.token)
        taken, likeliest = prompts.token_texts(config, [one.token, one.candidates[0]])
        rows.append(
            {
                "Place": place,
                "Token": visible(taken),
                "Probability": 100 * float(one.probability[i]),
                "Similarity": float(one.similarity[i]),
                "Score": float(one.score[i]),
                "Likeliest instead": "" if i == 0 else f"{visible(likeliest)} {one.probability[0]:.0%}",
            }
        )
    cells.show(
        rows,
        hide_index=True,
        key="chosen_table",
        height=280,
        column_config={
            "Probability": number(format="%.1f %%"),
            "Score": number(format="%.3f"),
            "Similarity": number(format="%.3f", help="Highest cosine of its hidden state with that of an earlier token."),
        },
    )


# Side by side --------------------------------------------------------------------------------------------------------


def side_by_side(config: TrialConfig, reading: prompts.Reading, most: int) -> None:
    workbench, known = session.workbench(), presets(session.workbench())
    offered: dict[str, tuple[str, Any]] = {"now": ("This chain", st.session_state.chain)}  # -> (label, a chain's line or a part)
    offered |= {f"chain/{name}": (name, text) for name, text in known.items()}
    offered |= {f"search/{name}": (label, chosen_search(name)) for name, label in METHODS.items()}
    offered |= {f"engine/{name}": (f"Engine: {name.replace('_', ' ')}", part) for name, part in engines(config).items()}
    chosen = st.pills(
        f"Up to {MOST_SIDES} chains, searches or engines on this prompt",
        list(offered),
        selection_mode="multi",
        wrap=True,
        default=["now", "chain/Deterministic"],
        key="sides",
        format_func=lambda option: cards.plain(offered[option][0]) if option in offered else "",
    )
    if len(chosen) > MOST_SIDES:
        st.caption(f"The first {MOST_SIDES} are taken.")
    chosen = chosen[:MOST_SIDES]
    if hosts := {offered[name][1].destination() for name in chosen if name.startswith("engine/")} - {""}:
        st.warning(f"The prompt with its passages is sent to {cards.plain(', '.join(sorted(hosts)))}.", icon=":material/public:")
    about = (reading.key, most, config.seed, tuple(offered[name] for name in chosen))
    kept = st.session_state.get("sides_found")
    with st.container(horizontal=True, vertical_alignment="center"):
        run = st.button("Write all", icon=":material/play_arrow:", key="do/sides", disabled=not chosen, type="primary")
        st.caption(
            "What stands below is of another prompt or setting."
            if kept and kept[0] != about
            else "One after another, with nothing remembered: the speeds are the model's.",
            width="content",
        )
    if run:
        stop = st.empty()
        stop.button("Cancel", key="stop/sides", icon=":material/close:", shortcut="Escape")  # any click ends this run
        wanted = [(label, read_chain(what) if isinstance(what, str) else what) for label, what in about[3]]
        found = jobs.drain(written_sides(workbench, config, reading, wanted, most))
        stop.empty()
        kept = st.session_state.sides_found = about, found
        st.rerun()
    if kept:
        sides(kept[1], len(reading.hits))


def sides(found: Sequence[Side], passages: int) -> None:
    for pair in (found[:2], found[2:]):
        for column, one in zip(st.columns(2), pair, strict=False):
            with column.container(border=True, gap="xsmall"):
                st.markdown(f"**{cards.plain(one.name)}**")
                st.caption(cards.plain(one.about))
                if one.problem:
                    st.error(cards.plain(f"No answer: {one.problem}"))
                    continue
                evidence.show(evidence.answer_html(one.text, passages))
                cards.facts(
                    [
                        ("Speed", f"{one.tokens_per_s:,.0f} tokens/s" if one.tokens_per_s else "not measured"),
                        ("First token", f"after {cards.duration(one.first_ms / 1000)}" if one.first_ms else ""),
                        (
                            "Length",
                            f"{one.tokens:,} tokens, {'ended by itself' if one.reason == 'stop' else 'cut'}"
                            if one.tokens
                            else "",
                        ),
                        ("Perplexity", f"{one.perplexity:.2f}" if one.perplexity else "no probabilities"),
                    ]
                )
