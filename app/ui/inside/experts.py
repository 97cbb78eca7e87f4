"""The tab Mixture of experts: a small one trained with and without its balancing loss, and what its routers do."""

from html import escape

import numpy as np
import streamlit as st

from app import session
from app.ui import cards, charts, evidence, forms, jobs
from app.ui.inside import figures
from app.ui.tables import wrapped_table
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.inside.experts import (
    KINDS,
    HeldOutRouting,
    by_kind,
    expert_loads,
    held_out_routing,
    kind_told,
    last_pair,
    layer_rows,
    moe_arguments,
    moe_row,
    trained_pair,
)
from core.records import Corpus
from core.training.experts import ExpertRun, MoeConfig, Routing
from core.workbench import command_line, one_phase

WITH, WITHOUT = "With balancing loss", "Without"
COLORS = {WITH: charts.COLORS[0], WITHOUT: charts.COLORS[1]}
LOSSES = {"switch": "Switch: shares × probabilities", "importance": "Importance: variation of the gates"}
SMOOTH = 15  # steps that a curve's mean is taken over
SHOWN_TOKENS = 160  # of a text that is shown token by token


def mixture(config: TrialConfig) -> None:
    corpus = jobs.drain(session.workbench().read_corpus(config), "Reading the corpus")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        settings = settings_form()
    with right:
        runs = trained(config, corpus, settings)
        if not runs:
            return cards.empty(
                "A mixture of experts, trained here",
                "Two small models on this corpus, one with the balancing "
                "loss and one without. Then: the load of each expert, where tokens go by part of speech and by layer, "
                "what is dropped, and the loss.",
            )
        run_cards(runs)
        curves(runs)
    routed(corpus, runs)


def settings_form() -> MoeConfig:
    tips = {name: field.description for name, field in MoeConfig.model_fields.items()}
    link = {"bind": "query-params"}
    experts = st.select_slider("Experts of a layer", (2, 4, 8, 16), 4, key="moe_experts", help=tips["experts"], **link)
    top = forms.one_of("Experts for a token", {1: "top-1", 2: "top-2"}, "moe_top", help=tips["top_k"], **link)
    room = st.slider(
        "Capacity factor (× an expert's even share)", 0.0, 4.0, 1.25, 0.25, key="moe_room", help=tips["capacity_factor"], **link
    )
    balance = st.selectbox(
        "Balancing loss", list(LOSSES), key="moe_balance", format_func=LOSSES.get, help=tips["balance"], **link
    )
    weight = st.select_slider(
        "Weight of the balancing loss",
        (0.001, 0.003, 0.01, 0.03, 0.1),
        0.01,
        key="moe_weight",
        help=tips["balance_weight"],
        **link,
    )
    z = st.select_slider(
        "Weight of the router z-loss", (0.0, 0.0001, 0.001, 0.01), 0.001, key="moe_z", help=tips["z_weight"], **link
    )
    with st.expander("Size and training"):
        layers = st.slider("Layers", 1, 6, 2, key="moe_layers", help=tips["layers"], **link)
        steps = st.select_slider(
            "Training steps", (20, 50, 100, 300, 600, 1000), 300, key="moe_steps", help=tips["steps"], **link
        )
        # a number with a point: of 1e400 in the address Streamlit fails to make a whole one
        seed = int(st.number_input("Seed", 0.0, 2.0**31 - 1, 0.0, 1.0, "%.0f", key="moe_seed", help=tips["seed"], **link))
    st.caption("A token sees one expert's feed-forward part instead of one wide one: more parameters at the same work.")
    return MoeConfig(
        experts=experts,
        top_k=top,
        capacity_factor=room,
        balance=balance,
        balance_weight=weight,
        z_weight=z,
        layers=layers,
        steps=steps,
        seed=seed,
    )


def trained(config: TrialConfig, corpus: Corpus, settings: MoeConfig) -> dict[str, ExpertRun]:
    """The two runs of these settings; where they are not trained yet, the button that does it and the runs trained last."""
    workbench = session.workbench()
    pair = trained_pair(corpus, settings)
    if pair is None:
        arguments = moe_arguments(workbench, config, settings)
        for job in jobs.active():
            if job.arguments[:1] == ("train-moe",) and list(job.arguments) != arguments:
                jobs.watch(job.id)
        takes = one_phase(f"2 trainings of {settings.steps:,} steps", units=settings.steps * settings.layers)
        jobs.start_button("Train both", arguments, f"Experts on {corpus.name}", takes)
        if pair := last_pair(corpus):
            st.caption(f"Shown are the two trained last: {described(pair[0].config)}.")
    return dict(zip((WITH, WITHOUT), pair, strict=True)) if pair else {}


def described(config: MoeConfig) -> str:
    return (
        f"{config.experts} experts, top-{config.top_k}, capacity factor {config.capacity_factor:g}, "
        f"{cards.count(config.layers, 'layer')}, {config.steps:,} steps, seed {config.seed}"
    )


def run_cards(runs: dict[str, ExpertRun]) -> None:
    for name, run in runs.items():
        st.html(f'<span style="color:{charts.shade(COLORS[name])}">●</span> <b>{escape(name)}</b>')
        row, experts = moe_row(run), run.config.experts
        cards.row(
            [
                cards.Card(
                    "Held-out loss",
                    row["held_out_loss"],
                    unit="nats",
                    direction=-1,
                    n=len(run.held_out),
                    note="held-out documents",
                    help="Nats of the next token, with nothing dropped.",
                ),
                cards.Card(
                    "Variation of the load",
                    row["cv"],
                    direction=-1,
                    note=f"0 even, {np.sqrt(experts - 1):.2f} all to one",
                    help="Standard deviation over mean of the experts' shares, over the last tenth of the steps.",
                ),
                cards.Card(
                    "Router's entropy",
                    row["entropy_bits"],
                    unit="bits",
                    digits=2,
                    direction=0,
                    note=f"at most {np.log2(experts):.2f}",
                ),
                cards.Card(
                    "Dropped", 100 * row["dropped"], unit="%", digits=1, direction=-1, note="of the assignments, last tenth"
                ),
            ]
        )


def curves(runs: dict[str, ExpertRun]) -> None:
    names = {
        "loss": "Loss (nats a token)",
        "cv": "Variation of the load",
        "dropped": "Dropped (share)",
        "entropy_bits": "Router's entropy (bits)",
        "balance": "Balancing loss before its weight",
        "z": "Router z-loss",
    }
    what = st.selectbox("Over the training", list(names), key="moe_curve", format_func=names.get, persist_state="session")
    traces, rows = [], []
    for name, run in runs.items():
        steps = [s for s in run.steps if not np.isnan(s.loss)]
        values = np.array([s.loss if what == "loss" else np.mean(getattr(s, what)) for s in steps], float)
        smooth = [float(values[max(0, i - SMOOTH + 1) : i + 1].mean()) for i in range(len(values))]
        traces += charts.line([s.done for s in steps], smooth, name=name, color=COLORS[name])
        rows += [{"run": name, "step": s.done, what: float(v)} for s, v in zip(steps, values, strict=True)]
    for trace in traces:
        trace["mode"] = "lines"
    charts.show(
        charts.figure(traces, "training step", names[what], legend=True),
        "moe-training",
        data=rows,
        config=_config(runs),
        command=command(next(iter(runs.values()))),
        title="Training",
        caption=f"mean of {SMOOTH} steps",
    )


def command(run: ExpertRun) -> str:
    """The command that prints what was measured of this run, and of the one without the loss beside it."""
    _, both, *words = moe_arguments(session.workbench(), session.config(), run.config)
    return command_line("inside-experts", *([] if run.config.balance == "none" else [both]), *words)


def _config(runs: dict[str, ExpertRun]) -> dict:
    return {name: run.config.model_dump(mode="json") for name, run in runs.items()}


def routed(corpus: Corpus, runs: dict[str, ExpertRun]) -> None:
    st.divider()
    st.subheader("Where the routers send tokens", anchor=False)
    name = forms.one_of("Run", list(runs), "moe_run", label_visibility="collapsed")
    layers = runs[name].config.layers
    layer = min(st.slider("Layer", 0, layers - 1, 0, key="moe_layer"), layers - 1) if layers > 1 else 0
    try:
        held_out = {run_name: jobs.drain(held_out_routing(session.workbench(), corpus, run)) for run_name, run in runs.items()}
    except WorkbenchError as error:
        return cards.problem(error)
    routings = {run_name: of.routing for run_name, of in held_out.items()}
    left, right = st.columns(2, gap="medium")
    with left:
        load_chart(runs, routings, layer)
        layer_chart(runs[name], routings[name])
    with right:
        kind_chart(runs[name], held_out[name], layer)
    summary(held_out)
    token_view(corpus, runs[name], routings[name])


def load_chart(runs: dict[str, ExpertRun], routings: dict[str, Routing], layer: int) -> None:
    loads = {name: expert_loads(routing)[layer] for name, routing in routings.items()}
    experts = [str(i) for i in range(max(map(len, loads.values())))]
    traces = charts.bars(experts, {name: load.tolist() for name, load in loads.items()}, colors=COLORS)
    rows = [
        {"run": name, "layer": layer, "expert": i, "share": float(v)} for name, load in loads.items() for i, v in enumerate(load)
    ]
    even = 1 / len(experts)
    charts.show(
        charts.figure(
            traces,
            "expert",
            "share of the tokens",
            legend=True,
            height=280,
            xaxis={"type": "category"},
            **charts.mark_line(even, "even"),
        ),
        "moe-load",
        data=rows,
        config=_config(runs),
        command=command(next(iter(runs.values()))),
        title="Load of the experts",
        caption=f"layer {layer}, held-out documents",
    )


def layer_chart(run: ExpertRun, routing: Routing) -> None:
    loads = expert_loads(routing)  # [layers, experts]
    layers, experts = ([str(i) for i in range(size)] for size in loads.shape)
    rows = [{"layer": i, "expert": e, "share": float(v)} for i, row in enumerate(loads) for e, v in enumerate(row)]
    charts.show(
        figures.grid(loads, [f"layer {i}" for i in layers], experts),
        "moe-layers",
        data=rows,
        config=run.config,
        command=command(run),
        title="Load by layer",
        caption="share of the tokens",
    )


def kind_chart(run: ExpertRun, held_out: HeldOutRouting, layer: int) -> None:
    kinds = by_kind(*held_out)[layer]  # [kinds, experts]
    there = [i for i in range(len(KINDS)) if not np.isnan(kinds[i]).any()]
    rows = [{"kind": KINDS[i], "expert": e, "share": float(kinds[i, e])} for i in there for e in range(kinds.shape[1])]
    told = kind_told(*held_out)[layer]
    caption = "" if np.isnan(told) else f"it explains {told:.0%} of the choice"
    charts.show(
        figures.grid(kinds[there], [KINDS[i] for i in there], [str(e) for e in range(kinds.shape[1])]),
        "moe-kinds",
        data=rows,
        config=run.config,
        command=command(run),
        title="Experts by part of speech",
        caption=caption,
    )


def summary(held_out: dict[str, HeldOutRouting]) -> None:
    rows = []
    for name, routed in held_out.items():
        rows += [
            {
                "Run": name,
                "Layer": str(row["layer"]),
                "Load variation": row["cv"],
                "Entropy (bits)": row["entropy_bits"],
                "Dropped (%)": 100 * row["dropped"],
                "By part of speech": "–" if np.isnan(row["told_by_kind"]) else f"{row['told_by_kind']:.0%}",
            }
            for row in layer_rows(routed)
        ]
    wrapped_table(rows)
    tokens = len(next(iter(held_out.values())).routing.ids)
    st.caption(
        f"{tokens:,} tokens of held-out documents. By part of speech: the share of the choice that it explains; parts of "
        "speech come from lists of function words and from endings, not from a tagger, so some words are in the wrong class."
    )


def token_view(corpus: Corpus, run: ExpertRun, routing: Routing) -> None:
    """A text's first tokens: which expert each layer chose, crossed out where there was no room."""
    texts = [corpus.documents[i].text for i in run.held_out][: int(routing.text.max()) + 1]
    number = st.selectbox("Text", range(len(texts)), key="moe_text", format_func=lambda i: " ".join(texts[i].split())[:80])
    place = np.flatnonzero(routing.text == number)[:SHOWN_TOKENS]
    if not len(place):
        return
    experts, has_room = routing.experts[place, :, 0], routing.has_room[place, :, 0]
    tokens = [texts[number][a:b] for a, b in routing.offsets[place]]
    rows = [
        {"token": token, **{f"layer {i}": int(experts[n, i]) for i in range(experts.shape[1])}} for n, token in enumerate(tokens)
    ]
    charts.show(
        figures.routes(experts, has_room, routing.gates[place, :, 0], tokens, run.config.experts),
        "moe-routes",
        data=rows,
        config=run.config,
        command=command(run),
        title="Expert of each token by layer",
        caption=f"first {len(place)} tokens; pale: dropped",
    )
    for layer in range(experts.shape[1]):
        pieces = [
            f'<span style="background:{figures.color(e)}{"59" if k else "14"};border-radius:2px" '
            f'title="expert {e}{"" if k else ", dropped"}">{escape(token)}</span>'
            for token, e, k in zip(tokens, experts[:, layer].tolist(), has_room[:, layer].tolist(), strict=True)
        ]
        evidence.show(
            f'<div class="gw gw-passage"><div class="gw-head"><span class="name">Layer {layer}</span></div>'
            f'<div class="gw-text">{"".join(pieces)}</div></div>'
        )
