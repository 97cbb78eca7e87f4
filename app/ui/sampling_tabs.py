"""What the page Sampling shows of a prompt: the next token step by step, the answer as a heatmap, settings side by side, the study."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, evidence, jobs
from core import sampling_lab as lab
from core.config import TrialConfig
from core.generation.sampling.trace import Stage, most_likely
from core.generation.support import THRESHOLD

KEPT, CUT = charts.COLORS[0], charts.COLORS[5]
ROWS, PANELS = 14, 3  # tokens in a chart, distributions in a row of it
OFFERED = 12  # tokens to force
CUTS = 2  # of what a step cut, the likeliest
UNSURE = 8  # rows of the table
MOST_SIDES = 4
WRITTEN_NOW, HERE = "This chain", "Engine: "
HEATS = {
    "probability": "Probability",
    "entropy": "Entropy",
    "chain": "Under the chain",
}  # of a token: under the model, of the whole distribution at its place, under the chain
RGB = {"probability": "230,159,0", "entropy": "86,180,233", "chain": "204,121,167"}


def visible(token: str) -> str:
    """A token as one can see it: spaces and line ends have signs."""
    return token.replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥") or "∅"


def unseen(number: int) -> str:
    """The number in characters of no width: pills are told apart by their labels, and the same word may stand twice."""
    return "".join("\u200b\u200c"[int(digit)] for digit in f"{number:b}")


# The answer, token by token ------------------------------------------------------------------------------------------


def heat(written: lab.Written, by: str) -> np.ndarray:
    """[tokens] from 0 (the model was sure) to 1."""
    if by == "entropy":
        return np.minimum(1.0, written.traced.entropy_bits / 8)
    return 1 - (
        written.traced.probability if by == "probability" else np.array([p.chain_probability for p in written.picks])
    )


def tokens_row(config: TrialConfig, written: lab.Written) -> int:
    """The answer as tokens that can be clicked, coloured; returns the place of the chosen one."""
    by = st.session_state.get("heat") or "probability"
    names, share = lab.token_texts(config, [p.token for p in written.picks]), heat(written, by)
    rules = []
    for place, (name, value, pick) in enumerate(zip(names, share, written.picks, strict=True), 1):
        gap = ".3em" if name[:1].isspace() else "0"
        ring = "outline:2px solid var(--gw-accent);outline-offset:-2px;" if pick.forced else ""
        rules.append(f".st-key-tokens button:nth-of-type({place}){{background:rgba({RGB[by]},{0.8 * value:.2f});"
                     f"margin-left:{gap};{ring}}}")  # fmt: skip
    st.html(f"<style>{LOOK}{''.join(rules)}</style>")
    labels = [name.strip() or ("⏎" if "\n" in name else "␣") for name in names]
    if written.reason == "stop":
        labels[-1] = "end"
    places = list(range(len(names)))
    if st.session_state.get("tokens") not in places:
        st.session_state.tokens = 0
    chosen = st.pills("Tokens of the answer", places, key="tokens", wrap=True, label_visibility="collapsed",
                      format_func=lambda i: cards.plain(labels[i]) + unseen(i) if i < len(labels) else "")  # fmt: skip
    return chosen or 0


STEPS_LOOK = """
[class*="st-key-step-"] { padding: .45rem .8rem .1rem !important; }
"""
LOOK = """
.st-key-tokens [data-testid="stButtonGroup"] > div, .st-key-tokens [role="radiogroup"] { gap: 2px 0; flex-wrap: wrap; }
.st-key-tokens button { border: 0; border-radius: 2px; padding: 0 1px; min-height: 1.6rem; height: 1.6rem; min-width: .5rem; }
.st-key-tokens button p { font-size: .95rem; line-height: 1.5; }
.st-key-tokens button[kind="pillsActive"], .st-key-tokens button[aria-checked="true"] {
  box-shadow: inset 0 -3px 0 var(--gw-accent); font-weight: 600; }
"""


# Next token ----------------------------------------------------------------------------------------------------------


def stage_cards(stages: Sequence[Stage]) -> None:
    first, last = stages[0], stages[-1]
    mass = 1 - first.probabilities[last.kept].sum()
    cards.row([
        cards.Card("Entropy", last.entropy_bits, unit="bits", digits=2, direction=0, note=f"the model's own {first.entropy_bits:.2f}",
                   help="Of the next token, after the last step."),
        cards.Card("Perplexity", last.perplexity, digits=1, direction=0, note=f"the model's own {first.perplexity:,.1f}",
                   help="As many equally likely tokens have this entropy."),
        cards.Card("Tokens kept", len(last.kept), digits=0, direction=0, note=f"of {len(first.kept):,}"),
        cards.Card("Probability cut", 100 * max(mass, 0.0), unit="%", digits=1, direction=0, note="of the model's own"),
    ])  # fmt: skip


def step_name(stage: Stage) -> str:
    return lab.describe_chain([stage.step]) if stage.step else "The model itself"


def shown_tokens(stages: Sequence[Stage]) -> list[int]:
    """The likeliest tokens of the model and those that steps made likely, with the likeliest that each step cut."""
    cut = [
        stage.cut[np.argsort(-before.probabilities[stage.cut], kind="stable")[:CUTS]]
        for before, stage in pairwise(stages)
    ]
    some = dict.fromkeys(int(t) for found in cut for t in found)
    for token in (int(t) for stage in (stages[-1], stages[0]) for t in most_likely(stage.probabilities, ROWS)
                  if stage.probabilities[t] > 0):  # fmt: skip
        if len(some) < ROWS + 2:
            some[token] = None
    return sorted(some, key=lambda token: (-stages[0].probabilities[token], token))


def stages_figure(
    stages: Sequence[Stage], tokens: Sequence[int], names: Sequence[str], chosen: int | None
) -> charts.Figure:
    """A panel a step, all with the same tokens; what the step cut keeps the bar it had before, in the other colour."""
    lines, traces, axes, notes = -(-len(stages) // PANELS), [], {}, []
    across = min(len(stages), PANELS)
    widest = max(float(stage.probabilities[list(tokens)].max()) for stage in stages)  # one scale, so that bars compare
    for i, stage in enumerate(stages):
        column, line, end = i % PANELS, i // PANELS, str(i + 1) if i else ""
        left, top = column / across, 1 - line / lines
        x, y = [left, left + 1 / across - 0.02], [top - 1 / lines + 0.03 * lines, top - 0.06]
        traces += _panel(stage, stages[i - 1] if i else None, tokens, end, first=i == 0)
        axes[f"xaxis{end}"] = {"domain": x, "anchor": f"y{end}", "tickformat": ".0%", "range": [0, 1.05 * widest], "showgrid": False,
                               "nticks": 3, "showline": True, "zeroline": False}  # fmt: skip
        words = [f"<b>{charts.safe(visible(name))}</b>" if token == chosen else charts.safe(visible(name))
                 for token, name in zip(tokens, names, strict=True)]  # fmt: skip
        axes[f"yaxis{end}"] = {"domain": y, "anchor": f"x{end}", "tickvals": list(range(len(tokens))), "ticktext": words,
                               "autorange": "reversed", "showticklabels": column == 0, "showgrid": False, "zeroline": False,
                               "automargin": True, "title": {"text": ""}}  # fmt: skip
        title = charts.safe((f"{i}  " if i else "") + step_name(stage))
        notes.append({"xref": "paper", "yref": "paper", "x": x[0], "y": y[1], "xanchor": "left", "yanchor": "bottom",
                      "showarrow": False, "font": {"size": 12}, "align": "left",
                      "text": f"<b>{title}</b>  {stage.entropy_bits:.2f} bits"})  # fmt: skip
    return charts.figure(traces, height=lines * (len(tokens) * 19 + 70) + 40, legend=True, barmode="overlay", annotations=notes,
                         clickmode="event+select", bargap=0.25, **axes)  # fmt: skip


def _panel(stage: Stage, before: Stage | None, tokens: Sequence[int], end: str, first: bool) -> list[dict]:
    cut, rows = set(stage.cut.tolist()), range(len(tokens))
    kept_p = [float(stage.probabilities[t]) for t in tokens]
    cut_p = [float(before.probabilities[t]) if before is not None and t in cut else None for t in tokens]
    shared = {
        "type": "bar",
        "orientation": "h",
        "y": list(rows),
        "customdata": list(tokens),
        "xaxis": f"x{end}",
        "yaxis": f"y{end}",
    }
    return [
        {**shared, "x": kept_p, "name": "Kept", "legendgroup": "kept", "showlegend": first, "marker": {"color": KEPT},
         "hovertemplate": "%{x:.2%}<extra>kept</extra>"},
        {**shared, "x": cut_p, "name": "Cut by the step (as before it)", "legendgroup": "cut", "showlegend": first,
         "marker": {"color": CUT, "opacity": 0.75, "pattern": {"shape": "/", "size": 5}},
         "hovertemplate": "%{x:.2%}<extra>cut</extra>"},
    ]  # fmt: skip


def next_token(config: TrialConfig, stages: Sequence[Stage], chosen: int | None, place: int, on_force) -> None:
    """Everything of one place of the answer. on_force(token) is called when another token is clicked."""
    tokens = shown_tokens(stages)
    names = lab.token_texts(config, tokens)
    named = list(zip(tokens, names, strict=True))
    data = [{"step": step_name(stage), "token": token, "text": name, "probability": float(stage.probabilities[token]),
             "kept": bool(stage.logits[token] > -np.inf)} for stage in stages for token, name in named]  # fmt: skip
    key = f"next/{place}/{st.session_state.get('writings', 0)}"

    def clicked() -> None:
        points = st.session_state[f"chart/{key}"]["selection"]["points"]
        if points and points[0].get("customdata") is not None:
            found = points[0]["customdata"]
            on_force(int(found[0] if isinstance(found, list) else found))

    charts.show(stages_figure(stages, tokens, names, chosen), "next-token", data=data, config=config, key=key, on_select=clicked,
                command=command(config), title=f"Token {place + 1}: its distribution before and after each step",
                caption="click a bar to force that token")  # fmt: skip
    force_pills(config, stages, chosen, key, on_force)
    step_table(stages)


def force_pills(config: TrialConfig, stages: Sequence[Stage], chosen: int | None, key: str, on_force) -> None:
    offered = [int(token) for token in most_likely(stages[0].probabilities, OFFERED)]
    names = dict(zip(offered, lab.token_texts(config, offered), strict=True))

    def said(token: int) -> str:
        return (
            cards.plain(visible(names[token]))
            + unseen(token)
            + f" :gray[{stages[0].probabilities[token]:.1%}]"
            + (" ●" if token == chosen else "")
        )

    def picked() -> None:
        if (token := st.session_state[f"force/{key}"]) is not None:
            on_force(token)

    st.pills("Force another token here and go on from it", offered, key=f"force/{key}", format_func=said, on_change=picked,
             wrap=True, help="Also those that the chain cuts. The dot marks the token that stands there.")  # fmt: skip


def step_table(stages: Sequence[Stage]) -> None:
    number = st.column_config.NumberColumn
    st.dataframe(
        [{"Step": f"{i}  {step_name(s)}" if i else step_name(s), "Kept": len(s.kept), "Cut here": len(s.cut),
          "Probability cut": 100 * s.cut_mass, "Entropy": s.entropy_bits, "Perplexity": s.perplexity} for i, s in enumerate(stages)],
        hide_index=True, key="steps_table",
        column_config={"Kept": number(format="localized"), "Cut here": number(format="localized"),
                       "Probability cut": number(format="%.2f %%"), "Entropy": number(format="%.3f bits"),
                       "Perplexity": number(format="%.2f")},
    )  # fmt: skip


def command(config: TrialConfig, chains: Sequence[str] = (), rest: Sequence[str] = ()) -> str:
    import shlex

    chains = chains or [st.session_state.chain]
    words = [word for text in chains for word in ("--chain", text)]
    return f"{session.workbench().command(config, 'sample-study')} {shlex.join([*words, *rest])}"


# The answer ----------------------------------------------------------------------------------------------------------


def answer(config: TrialConfig, written: lab.Written) -> None:
    traced, n = written.traced, len(written.picks)
    speed = f"the model ran for {written.ran:,} of {n:,} tokens"
    cards.row([
        cards.Card("Perplexity", traced.perplexity, digits=2, direction=-1, n=n, note="under the model itself"),
        cards.Card("Mean entropy", float(traced.entropy_bits.mean()), unit="bits", digits=2, direction=0),
        cards.Card("Not the likeliest", 100 * float((traced.rank > 1).mean()), unit="%", digits=0, direction=0, note="of the tokens"),
        cards.Card("Speed", written.tokens_per_s, unit="tokens/s", digits=0, note=speed),
    ])  # fmt: skip
    names = [visible(name) for name in lab.token_texts(config, traced.token)]
    unsure_chart(config, written, names)
    unsure_table(config, written, names)
    carried(written)


def unsure_chart(config: TrialConfig, written: lab.Written, names: list[str]) -> None:
    traced, places = written.traced, list(range(1, len(names) + 1))
    said = [charts.safe(name) for name in names]
    surprise = (-traced.logprob / np.log(2)).tolist()
    traces = [
        {"type": "bar", "x": places, "y": traced.entropy_bits.tolist(), "name": "Entropy", "marker": {"color": charts.COLORS[4]},
         "hovertext": said, "hovertemplate": "%{hovertext}<br>%{y:.2f} bits<extra>entropy</extra>"},
        {"type": "scatter", "mode": "lines+markers", "x": places, "y": surprise, "name": "Surprise at the token",
         "line": {"color": charts.COLORS[5], "width": 1.5}, "marker": {"size": 5}, "hovertext": said,
         "hovertemplate": "%{hovertext}<br>%{y:.2f} bits<extra>surprise</extra>"},
    ]  # fmt: skip
    columns = {"place": places, "token": traced.token.tolist(), "text": names, "probability": traced.probability.tolist(),
               "entropy_bits": traced.entropy_bits.tolist(), "rank": traced.rank.tolist()}  # fmt: skip
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    charts.show(charts.figure(traces, "place in the answer (tokens)", "bits", height=260, legend=True), "unsure", data=rows,
                config=config, command=command(config), title="Where the model was unsure",
                caption="entropy: of all tokens at that place; surprise: −log₂ of the one written")  # fmt: skip


def unsure_table(config: TrialConfig, written: lab.Written, names: list[str]) -> None:
    traced, number = written.traced, st.column_config.NumberColumn
    rows = []
    for place in np.argsort(traced.probability, kind="stable")[:UNSURE].tolist():
        others = [t for t in traced.alternatives[place].tolist() if t != traced.token[place]][:3]
        told = dict(
            zip(traced.alternatives[place].tolist(), traced.alternative_probability[place].tolist(), strict=True)
        )
        texts = lab.token_texts(config, others)
        rows.append({"Place": place + 1, "Token": names[place], "Probability": 100 * float(traced.probability[place]),
                     "Rank": int(traced.rank[place]), "Entropy": float(traced.entropy_bits[place]),
                     "Instead": ", ".join(f"{visible(text)} {told[t]:.0%}" for t, text in zip(others, texts, strict=True))})  # fmt: skip
    st.dataframe(rows, hide_index=True, key="unsure_table", column_config={
        "Place": number(width=60), "Probability": number(format="%.1f %%", width=90), "Rank": number(width=60, help="1: the likeliest."),
        "Entropy": number(format="%.2f bits", width=90), "Instead": st.column_config.TextColumn(width="large")})  # fmt: skip


def carried(written: lab.Written) -> None:
    """Sentence by sentence: how sure the model was, and the passage whose words it repeats."""
    found, hits = lab.sentences(written), written.reading.hits
    if not found:
        return
    st.markdown("**The passage that carries each sentence**")
    body = ""
    for one in found:
        passage = "none was given" if not hits else "no passage"
        if one.passage and one.containment >= THRESHOLD:
            passage = f'<span class="gw-chip">{one.passage}</span> {one.containment:.0%}'
        elif one.passage:
            passage = f"weakly {one.passage}, {one.containment:.0%}"
        body += f'<tr><td>{cards.escape(one.text)}</td><td class="num">{one.probability:.0%}</td><td class="num">{passage}</td></tr>'
    st.html('<table class="gw gw-table"><tr><th>Sentence</th><th class="num">A token’s probability</th>'
            f'<th class="num">Passage, share of its word triples</th></tr>{body}</table>')  # fmt: skip
    used = sorted({one.passage for one in found if one.passage and one.containment >= THRESHOLD})
    evidence.show([evidence.hit_html(hits[n - 1], number=n, query=written.text) for n in used])
    st.caption(
        "Shared words show where a sentence comes from, not that it is right. Words of the answer are bold in the passage."
    )


# Side by side --------------------------------------------------------------------------------------------------------


def side_by_side(config: TrialConfig, reading: lab.Reading, most: int) -> None:
    workbench, known = session.workbench(), lab.presets(session.workbench())
    options = [WRITTEN_NOW, *known, *(HERE + name.replace("_", " ") for name in lab.engines(config))]
    chosen = st.pills(f"Up to {MOST_SIDES} chains or engines on this prompt", options, selection_mode="multi", wrap=True,
                      default=[WRITTEN_NOW, "Deterministic"], key="sides", format_func=cards.plain)[:MOST_SIDES]  # fmt: skip
    remote = [
        name for name in chosen if name.startswith(HERE) and name.split(": ")[1] in ("anthropic", "openai compatible")
    ]
    if remote:
        st.warning(
            "A remote engine gets the prompt with its passages: they leave this machine.", icon=":material/public:"
        )
    engines = {HERE + name.replace("_", " "): part for name, part in lab.engines(config).items()}
    chains = {WRITTEN_NOW: st.session_state.chain, **known}
    about = (reading.key, most, config.seed, tuple((name, chains.get(name, "")) for name in chosen))
    kept = st.session_state.get("sides_found")
    with st.container(horizontal=True, vertical_alignment="center"):
        run = st.button("Write all", icon=":material/play_arrow:", key="do/sides", disabled=not chosen)
        if kept and kept[0] != about:
            st.caption("The columns below are of other settings.", width="content")
    if run:
        stop = st.empty()
        stop.button("Cancel", key="stop/sides", icon=":material/close:")  # any click ends this run
        wanted = [(name, engines[name] if name in engines else lab.read_chain(chains[name])) for name in chosen]
        found = jobs.drain(lab.side_by_side(workbench, config, reading, wanted, most))
        stop.empty()
        kept = st.session_state.sides_found = about, found
    if kept:
        sides(kept[1], len(reading.hits))
    else:
        st.caption("Each is written alone, one after another, with nothing remembered: the speeds are the model's.")


def sides(found: Sequence[lab.Side], passages: int) -> None:
    for column, one in zip(st.columns(len(found)), found, strict=True):
        with column.container(border=True):
            st.markdown(f"**{cards.plain(one.name)}**")
            st.caption(cards.plain(one.about))
            if one.problem:
                st.error(cards.plain(one.problem))
                continue
            evidence.show(evidence.answer_html(one.text, passages))
            cards.facts([
                ("Speed", f"{one.tokens_per_s:,.0f} tokens/s" if one.tokens_per_s else "not measured"),
                ("First token", cards.duration(one.first_ms / 1000) if one.first_ms else ""),
                ("Length", f"{one.tokens:,} tokens" if one.tokens is not None else ""),
                ("Perplexity", f"{one.perplexity:.2f}" if one.perplexity else "no probabilities"), ("Ended", one.reason),
            ])  # fmt: skip


# The study -----------------------------------------------------------------------------------------------------------


def study(config: TrialConfig) -> None:
    workbench = session.workbench()
    corpus, known = workbench.corpus(config), lab.presets(session.workbench())
    if not lab.asked(corpus, 1):
        return st.info(
            "This corpus has no questions with gold answers, so quality cannot be measured.", icon=":material/info:"
        )
    chains, samples, questions = study_form(known)
    if not chains:
        return st.caption("Choose a chain.")
    arguments = ["sample-study", *workbench.arguments(config), *(word for text in chains for word in ("--chain", text)),
                 "--samples", str(samples), "--questions", str(questions)]  # fmt: skip
    words = command(config, chains, arguments[-4:])
    answers = samples * min(questions, len(lab.asked(corpus, questions))) * len(chains)
    st.caption(f"{answers:,} answers are drawn and stored; what is stored already is not drawn again.")
    st.code(words, language="bash", wrap_lines=True)
    jobs.start_button("Start the study", arguments, f"Sampling {config.corpus.dataset}")
    found = jobs.drain(lab.results(workbench, config, samples, questions))
    if not found:
        return cards.empty(
            "Diversity against quality", "Nothing is stored for this recipe, number of samples and questions yet."
        )
    frontier(config, found, known, words, samples)


def study_form(known: dict[str, str]) -> tuple[list[str], int, int]:
    here = st.session_state.chain
    names = {text: name for name, text in reversed(known.items())}
    options = list(dict.fromkeys([here, *known.values()]))
    usual = list(dict.fromkeys([here, known["Deterministic"], known["Creative"]]))
    chains = st.pills("Chains", options, selection_mode="multi", wrap=True, default=usual, key="study/chains",
                      format_func=lambda text: cards.plain(names.get(text, "This chain" if text == here else text)))  # fmt: skip
    one, two = st.columns(2)
    samples = one.slider(
        "Samples a question", 2, 20, 5, key="study/samples", help="More tell diversity better, and take longer."
    )
    questions = two.slider("Questions", 4, 200, 12, 4, key="study/questions", help="Spread evenly over the corpus.")
    return chains, samples, questions


def frontier(
    config: TrialConfig, found: Sequence[lab.Setting], known: dict[str, str], words: str, samples: int
) -> None:
    one, two = st.columns(2)
    x = one.selectbox("Diversity", lab.DIVERSITY, key="study/x", format_func=lambda n: lab.MEASURES[n][0], help=lab.MEASURES[
        st.session_state.get("study/x", lab.DIVERSITY[0])][3])  # fmt: skip
    y = two.selectbox("Quality", lab.QUALITY, key="study/y", format_func=lambda n: lab.MEASURES[n][0], help=lab.MEASURES[
        st.session_state.get("study/y", lab.QUALITY[0])][3])  # fmt: skip
    names = {text: name for name, text in reversed(known.items())}
    titles = [names.get(one.chain, one.chain) for one in found]
    n = min(one.questions for one in found)
    charts.show(study_figure(found, titles, x, y), "sampling-study", data=lab.rows(found), config=config, command=words,
                title="Diversity and quality of sampled answers",
                caption=f"n {n:,} questions, {samples} samples each, {config.evaluation.confidence:.0%} intervals")  # fmt: skip
    study_table(found, titles)
    few = " Few questions: the intervals are wide." if n < 20 else ""
    st.caption("The line joins the chains that no other beats in both. Gold answers are short, the model's are sentences: exact match "
               "is rare, and F1 is low for right answers too. Semantic entropy is not shown: it needs an entailment model; clusters of "
               f"near embeddings are another measure, and may hold answers that contradict each other.{few}")  # fmt: skip


def study_figure(found: Sequence[lab.Setting], titles: Sequence[str], x: str, y: str) -> charts.Figure:
    drawn = [(title, one.measures[x], one.measures[y]) for title, one in zip(titles, found, strict=True)
             if one.measures[x].mean is not None and one.measures[y].mean is not None]  # fmt: skip
    across, up = [a.mean for _, a, _ in drawn], [b.mean for _, _, b in drawn]
    toward = lab.MEASURES[x][2]
    best = charts.frontier(across, up, x_direction=toward)
    traces = [{"type": "scatter", "mode": "lines", "x": [across[i] for i in best], "y": [up[i] for i in best], "name": "Frontier",
               "line": {"color": charts.BASELINE, "width": 2}, "hoverinfo": "skip"}]  # fmt: skip
    for i, (title, a, b) in enumerate(drawn):
        color = charts.COLORS[i % len(charts.COLORS)]
        traces.append({"type": "scatter", "mode": "markers", "name": charts.safe(title), "x": [a.mean], "y": [b.mean],
                       "marker": {"size": 10, "color": color}, "error_x": _whiskers(a, color), "error_y": _whiskers(b, color),
                       "hovertemplate": f"{charts.safe(title)}<br>%{{x:.3f}}, %{{y:.3f}}<extra></extra>"})  # fmt: skip
    name, unit, *_ = lab.MEASURES[x]
    title = f"{name}, {unit}" if unit else name
    return charts.figure(traces, f"{title} ({'more' if toward > 0 else 'less'} is more diverse)", lab.MEASURES[y][0], height=380,
                         legend=True)  # fmt: skip


def _whiskers(one, color: str) -> dict:
    if one.low is None:
        return {"visible": False}
    return {"type": "data", "symmetric": False, "array": [one.high - one.mean], "arrayminus": [one.mean - one.low], "thickness": 1.2,
            "width": 3, "color": color}  # fmt: skip


def study_table(found: Sequence[lab.Setting], titles: Sequence[str]) -> None:
    number = st.column_config.NumberColumn
    heads = {"f1": "F1", "em": "Exact", "distinct_1": "Distinct-1", "distinct_2": "Distinct-2", "self_bleu": "Self-BLEU",
             "cluster_entropy": "Clusters", "tokens": "Tokens"}  # fmt: skip
    table = [{"Chain": title, **{head: one.measures[name].mean for name, head in heads.items()}, "n": one.questions,
              "Speed": one.tokens_per_s} for title, one in zip(titles, found, strict=True)]  # fmt: skip
    columns = {
        head: number(format="%.1f" if name == "tokens" else "%.3f", help=lab.MEASURES[name][3])
        for name, head in heads.items()
    }
    st.dataframe(table, hide_index=True, key="study_table", placeholder="–", column_config={
        **columns, "n": number(format="localized", help="Questions."),
        "Speed": number(format="%.0f /s", help="Tokens a second for which the model ran, sampling included.")})  # fmt: skip
