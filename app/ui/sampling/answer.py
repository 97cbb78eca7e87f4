"""The tab The answer: where the model was unsure, and which passage carries each sentence."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import streamlit as st

from app.ui import cards, charts, evidence, tables
from app.ui.sampling.chain import trace_command
from app.ui.sampling.tokens import visible
from core.config import TrialConfig
from core.judging.containment import THRESHOLD
from core.labs.sampling import prompts
from core.labs.sampling.traces import token_rows
from core.records import Hit
from core.report.table import Column, Table
from core.sampling.trace import AnswerTrace
from core.sampling.writing import Written

UNSURE = 8  # rows of the table


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
    tokens, command = token_rows(config, traced), trace_command(config, written, written.steps)
    unsure_chart(config, traced, tokens, command)
    unsure_table(config, traced, tokens)
    carried(written, hits)


def unsure_chart(config: TrialConfig, traced: AnswerTrace, tokens: list[dict[str, Any]], command: str) -> None:
    places, said = [row["place"] for row in tokens], [charts.safe(visible(row["text"])) for row in tokens]
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
    charts.show(
        charts.figure(traces, "place in the answer (tokens)", "bits", height=260, legend=True),
        "unsure",
        data=tokens,
        config=config,
        command=command,
        title="Where the model was unsure",
        caption="entropy: of all tokens at that place; surprise: −log₂ of the one written",
    )


def unsure_table(config: TrialConfig, traced: AnswerTrace, tokens: list[dict[str, Any]]) -> None:
    rows = []
    for place in np.argsort(traced.probability, kind="stable")[:UNSURE].tolist():
        told = dict(zip(*(table[place].tolist() for table in (traced.alternatives, traced.alternative_probability)), strict=True))
        others = [token for token in told if token != traced.token[place]][:3]
        texts = prompts.token_texts(config, others)
        instead = ", ".join(f"{visible(text)} {told[t]:.0%}" for t, text in zip(others, texts, strict=True))
        row = tokens[place]
        rows.append({**row, "seen": visible(row["text"]), "percent": 100 * row["probability"], "instead": instead})
    columns = (
        Column("place"),
        Column("seen", "Token"),
        Column("percent", "Probability", "%.1f%%"),
        Column("rank", help="1: the likeliest."),
        Column("entropy_bits", "Entropy", "%.2f bits"),
        Column("instead", width=400),
    )
    note = f"The {len(rows)} least probable of {len(tokens):,} tokens"
    tables.draw(Table("unsure_table", columns, rows, "Where the model was unsure", note))


def carried(written: Written, hits: Sequence[Hit]) -> None:
    """Sentence by sentence: how sure the model was, and the passage whose words it repeats."""
    sentences = prompts.sentences(written, hits)
    if not sentences:
        return
    st.markdown("**The passage that carries each sentence**")
    body = ""
    for sentence in sentences:
        passage = "no passage" if hits else "none was given"
        if sentence.passage:
            weakly = "" if sentence.containment >= THRESHOLD else "weakly "
            passage = f'{weakly}<span class="gw-chip">{sentence.passage}</span> {sentence.containment:.0%}'
        sure = f"{sentence.probability:.0%}"
        body += f'<tr><td>{cards.escape(sentence.text)}</td><td class="num">{sure}</td><td class="num">{passage}</td></tr>'
    st.html(
        '<table class="gw gw-table"><tr><th>Sentence</th><th class="num">A token’s probability</th>'
        f'<th class="num">Shares word trigrams with</th></tr>{body}</table>'
    )
    used = sorted({sentence.passage for sentence in sentences if sentence.passage})
    evidence.show([evidence.hit_html(hits[n - 1], number=n, query=written.text) for n in used])
    st.caption(
        "Shared words show where a sentence comes from, not that it is right. Words of the answer are bold in the passage."
    )
