"""The tab Mixture of experts of the page Inside the model: a small one trained with and without its balancing loss, and what
its routers do."""

from collections.abc import Sequence
from html import escape

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, evidence, inspect_charts, jobs
from app.ui.index_tabs import table
from core import inspect_lab
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.generation import moe_lab as lab
from core.generation.moe_lab import MoeConfig, Routing, Run
from core.records import Corpus

WITH, WITHOUT = "With balancing loss", "Without"
COLORS = {WITH: charts.COLORS[0], WITHOUT: charts.COLORS[1]}
LOSSES = {"switch": "Shares × probabilities", "importance": "Variation of the gates"}
SMOOTH = 15  # steps that a curve's mean is taken over
SHOWN_TOKENS = 160  # of a text that is shown token by token


def mixture(config: TrialConfig) -> None:
    corpus = jobs.drain(session.workbench().pipeline.corpus(config), "Reading the corpus")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        settings = settings_form()
    with right:
        runs = trained(corpus, settings)
        if not runs:
            return cards.empty("A mixture of experts, trained here", "Two small models on this corpus, one with the balancing "
                               "loss and one without. Then: the load of each expert, where tokens go by kind and by layer, what "
                               "is dropped, and the loss.")  # fmt: skip
        run_cards(runs)
        curves(runs)
    routed(corpus, runs)


def settings_form() -> MoeConfig:
    fields = MoeConfig.model_fields
    experts = st.select_slider(
        "Experts of a layer",
        (2, 4, 8, 16),
        4,
        key="moe_experts",
        bind="query-params",
        help=fields["experts"].description,
    )
    top = st.segmented_control("Experts for a token", (1, 2), default=1, key="moe_top", required=True, help=fields["top_k"].description,
                               format_func=lambda k: f"top-{k}", persist_state="session")  # fmt: skip
    room = st.slider("Room of an expert (× its even share)", 0.0, 4.0, 1.25, 0.25, key="moe_room", bind="query-params",
                     help=fields["capacity_factor"].description)  # fmt: skip
    balance = st.selectbox("Balancing loss", list(LOSSES), key="moe_balance", format_func=LOSSES.get, help=fields["balance"].description,
                           persist_state="session")  # fmt: skip
    weight = st.select_slider("Its weight", (0.001, 0.003, 0.01, 0.03, 0.1), 0.01, key="moe_weight", bind="query-params",
                              help=fields["balance_weight"].description)  # fmt: skip
    z = st.select_slider("Weight of the router z-loss", (0.0, 0.0001, 0.001, 0.01), 0.001, key="moe_z", bind="query-params",
                         help=fields["z_weight"].description)  # fmt: skip
    layers = st.slider("Layers", 1, 6, 2, key="moe_layers", bind="query-params", help=fields["layers"].description)
    steps = st.select_slider("Training steps", (20, 50, 100, 300, 600, 1000), 300, key="moe_steps", bind="query-params",
                             help=fields["steps"].description)  # fmt: skip
    seed = st.number_input(
        "Seed", 0, 2**31 - 1, 0, key="moe_seed", persist_state="session", help=fields["seed"].description
    )
    st.caption("A token sees one expert's feed-forward part instead of one wide one: more parameters at the same work.")
    return MoeConfig(experts=experts, top_k=top, capacity_factor=room, balance=balance, balance_weight=weight, z_weight=z, layers=layers,
                     steps=steps, seed=seed)  # fmt: skip


def trained(corpus: Corpus, settings: MoeConfig) -> dict[str, Run]:
    """The two runs of these settings, from the disk where they were trained before; else those shown last."""
    pair = {WITH: settings, WITHOUT: settings.model_copy(update={"balance": "none"})}
    runs = {name: run for name, one in pair.items() if (run := inspect_lab.trained_moe(corpus, one))}
    missing = {name: one for name, one in pair.items() if name not in runs}
    shown = st.session_state.setdefault("moe_runs", {})  # corpus -> the pair drawn last
    if missing:
        st.caption("Two trainings with these settings, some minutes each. They are kept, and found again.")
        if st.button("Train", key="train_moe", type="primary", icon=":material/play_arrow:"):
            stop = st.empty()
            stop.button("Cancel", key="stop/moe", icon=":material/close:")
            for name, one in missing.items():
                runs[name] = train_one(corpus, one, name)
            stop.empty()
        elif before := shown.get(corpus.fingerprint):
            st.caption("Shown are the runs of the settings before.")
            return before
    if len(runs) == 2:
        shown[corpus.fingerprint] = {name: runs[name] for name in pair}
    return {name: runs[name] for name in pair if name in runs}


def train_one(corpus: Corpus, config: MoeConfig, name: str) -> Run:
    st.caption(f"{name}: first its tokenizer, then {config.steps:,} steps")
    return jobs.drain(inspect_lab.train_moe(corpus, config))


# What the trainings measured -----------------------------------------------------------------------------------------


def run_cards(runs: dict[str, Run]) -> None:
    for name, run in runs.items():
        st.html(f'<span style="color:{COLORS[name]}">●</span> <b>{escape(name)}</b>')
        last = run.steps[-max(1, len(run.steps) // 10) :]

        def mean(field: str, steps: Sequence[lab.Step] = last) -> float:
            return float(np.mean([np.mean(getattr(step, field)) for step in steps if getattr(step, field)] or [np.nan]))

        cards.row([
            cards.Card("Held-out loss", run.held_out_loss, unit="nats", digits=3, direction=-1, n=len(run.held_out),
                       note="documents not trained on", help="Nats of the next token, with nothing dropped."),
            cards.Card("Variation of the load", mean("cv"), digits=3, direction=-1,
                       note=f"0 even, {np.sqrt(run.config.experts - 1):.2f} all to one",
                       help="Standard deviation over mean of the experts' shares, over the last tenth of the steps."),
            cards.Card("Router's entropy", mean("entropy_bits"), unit="bits", digits=2, direction=0,
                       note=f"at most {np.log2(run.config.experts):.2f}"),
            cards.Card("Dropped", 100 * mean("dropped"), unit="%", digits=1, direction=-1, note="of the assignments, last tenth"),
        ])  # fmt: skip


def curves(runs: dict[str, Run]) -> None:
    names = {"loss": "Loss (nats a token)", "cv": "Variation of the load", "dropped": "Dropped (share)",
             "entropy_bits": "Router's entropy (bits)",
             "balance": "Balancing loss before its weight", "z": "Router z-loss"}  # fmt: skip
    what = st.selectbox(
        "Over the training", list(names), key="moe_curve", format_func=names.get, persist_state="session"
    )
    traces, rows = [], []
    for name, run in runs.items():
        steps = [s for s in run.steps if not np.isnan(s.loss)]
        values = np.array([s.loss if what == "loss" else np.mean(getattr(s, what)) for s in steps], float)
        smooth = [float(values[max(0, i - SMOOTH + 1) : i + 1].mean()) for i in range(len(values))]
        traces += charts.line([s.done for s in steps], smooth, name=name, color=COLORS[name])
        rows += [{"run": name, "step": s.done, what: float(v)} for s, v in zip(steps, values, strict=True)]
    for trace in traces:
        trace["mode"] = "lines"
    charts.show(charts.figure(traces, "training step", names[what], legend=True), "moe-training", data=rows, config=_config(runs),
                title="Training", caption=f"mean of {SMOOTH} steps")  # fmt: skip


def _config(runs: dict[str, Run]) -> dict:
    return {name: run.config.model_dump(mode="json") for name, run in runs.items()}


# Routing -------------------------------------------------------------------------------------------------------------


def routed(corpus: Corpus, runs: dict[str, Run]) -> None:
    st.divider()
    st.subheader("Where the routers send tokens", anchor=False)
    name = st.segmented_control(
        "Run", list(runs), default=next(iter(runs)), key="moe_run", required=True, label_visibility="collapsed"
    )
    layers = runs[name].config.layers
    layer = min(st.slider("Layer", 0, layers - 1, 0, key="moe_layer"), layers - 1) if layers > 1 else 0
    try:
        routings = {one: jobs.drain(inspect_lab.routing(session.workbench(), corpus, run)) for one, run in runs.items()}
    except WorkbenchError as error:
        return cards.problem(error)
    one, two = st.columns(2, gap="medium")
    with one:
        load_chart(runs, routings, layer)
    with two:
        kind_chart(runs[name], routings[name], layer)
    summary(routings)
    token_view(corpus, runs[name], routings[name])


def load_chart(runs: dict[str, Run], routings: dict[str, Routing], layer: int) -> None:
    loads = {name: lab.loads(routing)[layer] for name, routing in routings.items()}
    experts = [str(i) for i in range(max(map(len, loads.values())))]
    traces = charts.bars(experts, {name: load.tolist() for name, load in loads.items()}, colors=COLORS)
    rows = [
        {"run": name, "layer": layer, "expert": i, "share": float(v)}
        for name, load in loads.items()
        for i, v in enumerate(load)
    ]
    even = 1 / len(experts)
    charts.show(charts.figure(traces, "expert", "share of the tokens", legend=True, height=280, xaxis={"type": "category"},
                              **charts.mark_line(even, "even")), "moe-load", data=rows, config=_config(runs), title="Load of the experts",
                caption=f"layer {layer}, held-out documents")  # fmt: skip


def kind_chart(run: Run, routing: Routing, layer: int) -> None:
    kinds = lab.by_kind(routing)[layer]  # [kinds, experts]
    there = [i for i in range(len(lab.KINDS)) if not np.isnan(kinds[i]).any()]
    rows = [
        {"kind": lab.KINDS[i], "expert": e, "share": float(kinds[i, e])} for i in there for e in range(kinds.shape[1])
    ]
    told = lab.kind_told(routing)[layer]
    caption = "" if np.isnan(told) else f"the kind explains {told:.0%} of the choice"
    charts.show(inspect_charts.grid(kinds[there], [lab.KINDS[i] for i in there], [str(e) for e in range(kinds.shape[1])], "expert"),
                "moe-kinds", data=rows, config=run.config, title="Experts by kind of token", caption=caption)  # fmt: skip


def summary(routings: dict[str, Routing]) -> None:
    rows = []
    for name, routing in routings.items():
        spread, lost, told = lab.variation(lab.loads(routing)), lab.dropped(routing), lab.kind_told(routing)
        unsure = lab.entropy_bits(routing.probabilities).mean(0)
        rows += [{"Run": name, "Layer": str(i), "Variation of the load": float(spread[i]), "Router's entropy (bits)": float(unsure[i]),
                  "Dropped (%)": float(100 * lost[i]), "Explained by kind": "–" if np.isnan(told[i]) else f"{told[i]:.0%}"}
                 for i in range(len(spread))]  # fmt: skip
    table(rows)
    st.caption(f"{len(next(iter(routings.values())).ids):,} tokens of documents that were not trained on. The kind of a token is "
               "told by the letters of its word and a list of function words, not by a tagger.")  # fmt: skip


def token_view(corpus: Corpus, run: Run, routing: Routing) -> None:
    """A text's first tokens: which expert each layer chose, crossed out where there was no room."""
    texts = [corpus.documents[i].text for i in run.held_out][: int(routing.text.max()) + 1]
    number = st.selectbox(
        "Text", range(len(texts)), key="moe_text", format_func=lambda i: " ".join(texts[i].split())[:80]
    )
    place = np.flatnonzero(routing.text == number)[:SHOWN_TOKENS]
    if not len(place):
        return
    experts, kept = routing.experts[place, :, 0], routing.kept[place, :, 0]
    tokens = [texts[number][a:b] for a, b in routing.offsets[place]]
    rows = [
        {"token": token, **{f"layer {i}": int(experts[n, i]) for i in range(experts.shape[1])}}
        for n, token in enumerate(tokens)
    ]
    charts.show(inspect_charts.routes(experts, kept, routing.gates[place, :, 0], tokens, run.config.experts), "moe-routes",
                data=rows, config=run.config,
                title="Expert of each token by layer", caption=f"first {len(place)} tokens; pale: dropped")  # fmt: skip
    for layer in range(experts.shape[1]):
        pieces = [f'<span style="background:{inspect_charts.color(e)}{"59" if k else "14"};border-radius:2px" '
                  f'title="expert {e}{"" if k else ", dropped"}">{escape(token)}</span>'
                  for token, e, k in zip(tokens, experts[:, layer].tolist(), kept[:, layer].tolist(), strict=True)]  # fmt: skip
        evidence.show(f'<div class="gw gw-passage"><div class="gw-head"><span class="name">Layer {layer}</span></div>'
                      f'<div class="gw-text">{"".join(pieces)}</div></div>')  # fmt: skip
