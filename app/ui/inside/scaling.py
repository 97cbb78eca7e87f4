"""The tab of scaling: small transformers of several sizes on more and more text, the law of their loss, and what it foretells."""

from collections.abc import Sequence

import streamlit as st

from app import session
from app.ui import cards, charts, jobs, tables
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.inside import scaling as lab
from core.labs.inside.scaling import ScalingStudy
from core.workbench import one_phase

WIDTHS, STEPS = (32, 64, 128, 256), (50, 100, 200, 400, 800)


def scaling(config: TrialConfig) -> None:
    workbench = session.workbench()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        widths = st.multiselect("Widths", WIDTHS, lab.WIDTHS, key="scaling_widths", width=320, help="Sizes of the model.")
        about = "Amounts of data: each step reads a batch of texts."
        steps = st.multiselect("Training steps", STEPS, lab.STEPS, key="scaling_steps", width=380, help=about)
        seeds = int(st.number_input("Trainings of each", 1, 10, 1, key="scaling_seeds", width=140))
    wanted = lab.configs({}, sorted(widths), sorted(steps), range(seeds))
    try:
        lab.check(wanted)
    except WorkbenchError as error:
        return st.info(f"{error.what} {error.todo}", icon=":material/info:")
    corpus = jobs.drain(workbench.read_corpus(config), "Reading the corpus")
    left = len(wanted) - len(lab.trained(corpus, wanted))
    words = command(widths, steps, seeds)
    if left:
        cards.empty(
            "How the loss falls with size and data",
            f"{cards.count(left, 'small transformer')} of {len(wanted)} still to train on this corpus. "
            "Then: a scaling law fitted to them, how well the others predicted the largest, and its prediction for the next size.",
        )
        title = f"Training {cards.count(left, 'transformer')}"
        told = f"{cards.count(left, 'training')}, {sum(steps) * len(widths) * seeds:,} steps in all"
        takes = one_phase(told, units=1 + sum(steps) * sum(widths) * left // len(wanted) // 1000)
        return jobs.start_button(f"Train {left}", [*words, *workbench.arguments(config)], title, takes, place="scaling")
    with st.spinner("Fitting the law", show_time=True):
        made = lab.standing(workbench, config, corpus, wanted)
    return shown(made, config, words)


def command(widths: Sequence[int], steps: Sequence[int], seeds: int) -> list[str]:
    """The verb with its options."""
    sizes = [word for width in sorted(widths) for word in ("--width", str(width))]
    return ["scaling", *sizes, *(word for some in sorted(steps) for word in ("--steps", str(some))), "--seeds", str(seeds)]


def shown(made: ScalingStudy, config: TrialConfig, words: list[str]) -> None:
    told, level = lab.record(made), config.evaluation.confidence
    largest, ahead = made.largest, told["next"]
    if made.foretold:
        loss, low, high = made.foretold
        st.caption(
            f"The others predicted {loss:.3f} ({low:.3f} to {high:.3f}) for the largest training; measured: {largest.loss:.3f}."
        )
    st.caption(
        f"The next size, {ahead['parameters']:,} parameters on {ahead['tokens']:,} tokens: {ahead['loss']:.3f} "
        f"({ahead['low']:.3f} to {ahead['high']:.3f}) nats a token by the law. Small models on little text: a demonstration."
    )
    traces = []
    for place, width in enumerate(sorted({run.width for run in made.runs})):
        runs = sorted((run for run in made.runs if run.width == width), key=lambda run: run.tokens)
        color, name = charts.COLORS[place % len(charts.COLORS)], f"{runs[0].parameters:,} parameters"
        ids = [f"{run.tokens:,} tokens" for run in runs]
        traces += charts.scatter([run.tokens for run in runs], [run.loss for run in runs], name=name, color=color, ids=ids)
        tokens = sorted({run.tokens for run in runs} | {made.next_tokens})
        law = [made.fitted.predicted(runs[0].parameters, d, level) for d in tokens]
        curve = charts.line(tokens, [loss for loss, *_ in law], color=color, dash="dot", **_band(law))
        curve[-1]["mode"] = "lines"
        traces += curve
    every = [run.tokens for run in made.runs] + [made.next_tokens]
    printed = session.workbench().command(config, *words)
    charts.show(
        charts.figure(traces, "Tokens read", "Held-out loss (nats a token)", xaxis=charts.log_axis(every)),
        "scaling",
        data=told["trainings"],
        config=config,
        title="Loss over data, by size",
        caption="dotted: the law, its interval over trainings drawn with replacement",
        command=printed,
    )
    tables.draw(lab.law_table(made, printed))


def _band(law: Sequence[tuple[float, float, float]]) -> dict[str, list[float]]:
    return {"low": [low for _, low, _ in law], "high": [high for *_, high in law]}
