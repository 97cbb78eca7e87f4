"""The tab Study: diversity against quality of sampled answers, every chain against one by question."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, charts, jobs
from app.ui.sampling.chain import command
from core.config import TrialConfig
from core.labs.answers.answering import alike, answer_phase
from core.labs.sampling.chains import presets
from core.labs.sampling.study import DIVERSITY, MEASURES, QUALITY, ChainResult, asked, results, rows
from core.report.table import P_VALUE, written
from core.workbench import Forecast

WHAT = "Diversity against quality"
MOST_QUESTIONS = 200


def study(config: TrialConfig) -> None:
    workbench, here = session.workbench(), st.session_state.chain
    there = len(asked(workbench.corpus(config), MOST_QUESTIONS))
    if there < 2:
        return cards.empty(WHAT, "This corpus has no questions with gold answers, so quality cannot be measured.")
    lines = presets(workbench)
    names = {text: name for name, text in reversed(lines.items())}  # of equal chains the first name
    usual = list(dict.fromkeys([here, lines["Deterministic"], lines["Creative"]]))
    chains = st.pills(
        "Chains",
        list(dict.fromkeys([here, *lines.values()])),
        selection_mode="multi",
        wrap=True,
        key="study/chains",
        default=usual,
        format_func=lambda text: cards.plain(names.get(text, "This chain")),
    )
    left, right = st.columns(2)
    samples = left.slider(
        "Samples a question",
        2,
        20,
        5,
        key="study/samples",
        persist_state="session",
        help="More samples measure diversity better, and take longer.",
    )
    questions = right.slider(
        "Questions",
        1,
        there,
        min(12, there),
        key="study/questions",
        persist_state="session",
        help="Spread evenly over the corpus.",
    )
    if not chains:
        return st.caption("Choose a chain.")
    rest = ["--samples", str(samples), "--ask", str(questions)]
    words = [word for text in chains for word in ("--chain", text)]
    line = command(config, chains, rest)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption("Stored samples are not drawn again.", width="stretch")
        with st.popover("Command", icon=":material/terminal:", type="tertiary"):
            st.code(line, language="bash", wrap_lines=True)
    number = samples * questions * len(chains)
    arguments = ["sample-study", *workbench.arguments(config), *words, *rest]
    phase = answer_phase(workbench, config.generation, number, f"{cards.count(number, 'answer')} at most")
    takes = Forecast((phase,), units=number, like=alike(config.generation))
    jobs.start_button("Start the experiment", arguments, f"Sampling {config.corpus.dataset}", takes)
    reference = st.session_state.get("study/reference") or chains[0]
    measured = jobs.drain(results(workbench, config, samples, questions, reference=reference))
    if not measured:
        return cards.empty(WHAT, "Nothing is stored for this recipe, number of samples and questions yet.")
    compared(config, measured, {result.chain: names.get(result.chain, result.chain) for result in measured}, line)


def compared(config: TrialConfig, measured: Sequence[ChainResult], names: dict[str, str], line: str) -> None:
    def measure(box: Any, label: str, options: Sequence[str], key: str) -> str:
        about = MEASURES[st.session_state.get(key) or options[0]][3]
        return box.selectbox(label, options, key=key, format_func=lambda name: MEASURES[name][0], help=about)

    left, middle, right = st.columns(3)
    x, y = measure(left, "Diversity", DIVERSITY, "study/x"), measure(middle, "Quality", QUALITY, "study/y")
    chains = sorted(names)
    right.selectbox(
        "Compared with",
        chains,
        chains.index(measured[0].chain),
        key="study/reference",
        format_func=lambda text: cards.plain(names[text]),
        help="Every chain against this one, question by question.",
    )
    n, level = min(result.questions for result in measured), config.evaluation.confidence
    for said in filter(None, (verdicts(measured, names, measure, level) for measure in (y, x))):
        st.markdown(said)
    charts.show(
        study_figure(measured, names, x, y),
        "sampling-study",
        data=rows(measured),
        config=config,
        command=line,
        title="Diversity and quality of sampled answers",
        caption=f"n {n:,} questions, {100 * level:g}% intervals over questions",
    )
    study_table(measured, names, (y, x))
    with st.expander("All measures"):
        cells.show(rows(measured), hide_index=True, key="study_table", placeholder="–")
    tested = sum(y in result.changes and result.changes[y].p_holm is not None for result in measured)
    told = (
        f"Tests: sign-flip by question, p corrected by Holm over {cards.count(tested, 'comparison')} a measure. "
        if tested
        else ""
    )
    if (least := tested * 2 ** (1 - n)) > 1 - level:
        told += f"With {n} questions no corrected p can fall below {min(1.0, least):.2g}: use more questions. "
    st.caption(
        f"{told}The line joins the chains that no other chain beats in both. Gold answers are short, the model's are sentences: "
        "exact match is rare, and F1 is low even for right answers. Semantic entropy uses the bundled entailment model, which "
        "makes errors; clusters of similar embeddings are another measure, and may join answers that contradict each other."
    )


def verdicts(measured: Sequence[ChainResult], names: dict[str, str], measure: str, level: float) -> str:
    """The paired tests of one measure in a sentence; "" where there was nothing to compare with."""
    words, same = [], []
    for change in (result.changes[measure] for result in measured[1:] if measure in result.changes):
        name = f"**{cards.plain(names[change.arm])}**"
        if change.significant(level):
            word, by = change.verdict(level, ("higher", "lower")), abs(change.paired.difference)
            words.append(f"{name} is {word} by {by:.3f} (p {written(change.p_holm, P_VALUE)})")
        elif change.p_holm is not None:
            same.append(name)
    if same:
        words.append(f"{', '.join(same)} not significantly different from it")
    against = f"{MEASURES[measure][0]} against **{cards.plain(names[measured[0].chain])}**"
    return f"{against}: {'; '.join(words)}." if words else ""


def study_figure(measured: Sequence[ChainResult], names: dict[str, str], x: str, y: str) -> charts.Figure:
    drawn = [
        (charts.look(i), charts.safe(names[result.chain]), result.measures[x], result.measures[y])
        for i, result in enumerate(sorted(measured, key=lambda result: result.chain))
        if result.measures[x].mean is not None and result.measures[y].mean is not None
    ]
    across, up, toward = [a.mean for *_, a, _ in drawn], [b.mean for *_, b in drawn], MEASURES[x][2]
    best = charts.frontier(across, up, x_direction=toward)
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": [across[i] for i in best],
            "y": [up[i] for i in best],
            "name": "Frontier",
            "line": {"color": charts.BASELINE, "width": 2},
            "hoverinfo": "skip",
        }
    ]
    for (color, symbol), title, a, b in drawn:
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": title,
                "x": [a.mean],
                "y": [b.mean],
                "marker": {"size": 10, "color": color, "symbol": symbol},
                "meta": "whiskers",
                "error_x": _whiskers(a, color),
                "error_y": _whiskers(b, color),
                "hovertemplate": f"{title}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>",
            }
        )
    name, unit, *_ = MEASURES[x]
    title = f"{name}, {unit}" if unit else name
    return charts.figure(
        traces, f"{title} ({'more' if toward > 0 else 'less'} is more diverse)", MEASURES[y][0], height=380, legend=True
    )


def _whiskers(interval: Any, color: str) -> dict:
    if interval.low is None:
        return {"visible": False}
    return {
        "type": "data",
        "symmetric": False,
        "array": [interval.high - interval.mean],
        "arrayminus": [interval.mean - interval.low],
        "thickness": 1.2,
        "width": 3,
        "color": color,
    }


def study_table(measured: Sequence[ChainResult], names: dict[str, str], shown: Sequence[str]) -> None:
    """The two measures of the chart with intervals and paired differences, and how many answers they rest on."""
    num = '<td class="num">'
    head = "".join(f'<th class="num">{MEASURES[name][0]}</th><th class="num">Difference, p</th>' for name in shown)
    body = ""
    for result in measured:
        body += f'<tr><td style="min-width:7.5rem">{cards.escape(names[result.chain])}</td>'
        for name in shown:
            i, change = result.measures[name], result.changes.get(name)
            d, p = (change.paired, change.p_holm) if change else (None, None)
            cover = f'<br><span class="gw-small">{i.n:,} of {i.total:,} questions</span>' if i.n < i.total else ""
            body += f"{num}{number(i.mean, i.low, i.high)}{cover}</td>"
            tested = f'<br><span class="gw-small">p {written(p, P_VALUE)}</span>' if p is not None else ""
            body += f"{num}{number(d.difference, d.low, d.high, '+') if d else '–'}{tested}</td>"
        speed = f"{result.tokens_per_s:,.0f}" if result.tokens_per_s else "–"
        length = result.measures["tokens"].mean
        body += f"{num}{'not measured' if length is None else f'{length:.1f}'}</td>"
        body += f"{num}{result.samples - result.failed:,} of {result.samples:,}</td>"
        body += f"{num}{speed}</td></tr>"
    st.html(
        f'<div style="overflow-x:auto"><table class="gw gw-table"><tr><th>Chain</th>{head}<th class="num">Tokens</th>'
        f'<th class="num">Answers</th><th class="num">Tokens/s</th></tr>{body}</table></div>'
    )
    if failed := sum(result.failed for result in measured):
        st.caption(f"{cards.count(failed, 'sample')} came without an answer: left out of the measures, not counted as 0.")


def number(value: float | None, low: float | None, high: float | None, sign: str = "") -> str:
    """With its interval under it."""
    if value is None:
        return "not measured"
    mean, lower, upper = (f"{v:{sign}.3f}".replace("-", "\u2212") if v is not None else "" for v in (value, low, high))
    return mean + (f'<br><span class="gw-small">{lower} to {upper}</span>' if lower else "")
