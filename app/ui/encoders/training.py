"""The tab Train: an encoder trained on the corpus, its curves, and what was trained before."""

from collections.abc import Sequence
from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, forms, jobs
from app.ui.encoders.cells import difference, html_table, number
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.encoders import training
from core.models import hub
from core.training.encoders.settings import TrainConfig
from core.training.encoders.validation import METRICS as TRAINED_METRICS
from core.workbench import command_line, one_phase

KNOBS_FIRST = ("method", "learning_rate", "temperature", "batch_size", "hard_negatives", "max_steps")
VERDICTS = {
    "better": "Better than its start on held-out questions.",
    "worse": "Worse than its start on held-out questions: do not use it here.",
    "not distinguishable": "Not better: on held-out questions it does not differ significantly from its start.",
    "equal": "Not better: no step beat the start on validation, so the start was kept.",
    "unknown": "How it was trained is not recorded.",
}


def train(config: TrialConfig) -> None:
    made = training.trained()
    if not jobs.training(("train-encoder",), training.training_log, draw_curves):
        training_form(config, made)
    st.subheader("Trained encoders", anchor=False)
    if not made:
        st.caption("None yet. A trained encoder appears in the list of encoders, like any other.")
    for encoder in made:
        trained_card(encoder)


def training_form(config: TrialConfig, made: Sequence[training.TrainedEncoder]) -> None:
    workbench = session.workbench()
    st.caption(
        "Trains a copy of an encoder on this corpus' questions and their evidence, against other chunks (DPR). Documents are split "
        "into train, validation and test, so no evidence leaks; the test questions are used once, to compare before and after."
    )
    left, right = st.columns(2)
    fresh = hub.free_name(hub.encoders_home(), config.corpus.dataset)
    name = left.text_input("Name", fresh, key=f"train/name/{fresh}", help="Letters, digits, points, hyphens.")
    bases = {"minilm": "MiniLM", **{encoder.name: encoder.name for encoder in made}}
    about = TrainConfig.model_fields["base"].description
    settings = {"base": forms.one_of_many("Start from", bases, "train/base", place=right, help=about)}
    settings |= forms.settings_form(TrainConfig(), "train", KNOBS_FIRST, without=("base",))
    try:
        arguments = training.training_arguments(workbench, config, name, settings)
    except WorkbenchError as error:
        return cards.problem(error)
    steps = cards.count(settings["max_steps"], "step")
    told, read = (
        f"{steps} at most of {settings['batch_size']:,} questions, and the test",
        settings["max_steps"] * settings["batch_size"],
    )
    takes = one_phase(told, units=read, like=settings["base"])
    return jobs.train_button(name, arguments, "an encoder", training.is_taken(name), "train/start", takes)


def draw_curves(name: str, log: Sequence[dict[str, Any]], k: int | str = "k") -> None:
    """k: the depth it was judged at, which need not be that of the recipe in use."""
    steps = [line for line in log if line["kind"] == "step" and line["loss"] is not None]
    checks = [line for line in log if line["kind"] == "evaluation"]
    if not steps and not checks:
        return st.caption(
            "Loss and validation appear here from the first step on, once the corpus is embedded and negatives are mined."
        )
    left, right = st.columns(2)
    with left:
        at, loss = [line["step"] for line in steps], [line["loss"] for line in steps]
        smooth = [sum(some) / len(some) for some in (loss[max(0, i - 9) : i + 1] for i in range(len(loss)))]
        traces = [
            *charts.scatter(at, loss, color=charts.COLORS[0], faint=True, ids=[f"step {s}" for s in at]),
            *charts.line(at, smooth, name="Mean of 10"),
        ]
        traces[-1]["mode"] = "lines"
        charts.show(
            charts.figure(traces, "Step", "Loss", legend=False, height=240),
            f"loss-{name}",
            data=steps,
            command=command_line("encoders-training", name),
            title="Training loss",
            caption="line: mean of 10",
        )
    with right:
        traces = [
            trace
            for shade, (metric, part) in zip(charts.COLORS, TRAINED_METRICS.items(), strict=False)
            for trace in charts.line(
                [c["step"] for c in checks], [c[metric] for c in checks], name=part.label.format(k=k), color=shade
            )
        ]
        charts.show(
            charts.figure(traces, "Step", legend=True, height=240),
            f"validation-{name}",
            data=checks,
            command=command_line("encoders-training", name),
            title="Validation",
            caption="step 0: the start",
        )


def trained_card(trained: training.TrainedEncoder) -> None:
    record, encoder = trained.record, session.config().embedding
    with st.container(border=True):
        st.markdown(f"**{cards.plain(trained.name)}**")
        st.markdown(VERDICTS[trained.verdict])
        if not record:
            return
        sizes, rows = record["sizes"], []
        for metric, part in TRAINED_METRICS.items():
            change, test = record["comparison"][metric], trained.paired(metric)
            rows.append(
                [
                    f"<td>{escape(part.label.format(k=record['evaluation']['k']))}</td>",
                    number(f"{change['before']:.3f}"),
                    number(f"{change['after']:.3f}"),
                    difference(test, test.p, trained.change(metric)),
                ]
            )
        html_table(["On the test questions", "Before", "After", "Difference"], rows)
        early = "stopped early, as validation did not improve"
        stopped = "all steps done" if record["stopped"] == "all steps" else early
        cards.facts(
            [
                ("Corpus", record["corpus"]["name"]),
                ("Start", record["config"]["base"]),
                ("Questions", f"{sizes['train']:,} to train, {sizes['validation']:,} to validate, {sizes['test']:,} to test"),
                ("Steps", f"{record['steps']:,}, {stopped}; kept: step {record['best_step']:,}"),
                ("Time", cards.duration(sum(record["seconds"].values()))),
            ]
        )
        using = encoder.part == "trained" and encoder.name == trained.name
        with st.container(horizontal=True):
            title, about = "In use" if using else "Use this encoder", "Makes it the recipe's encoder, on every page."
            settings = {"embedding.part": "trained", "embedding.name": trained.name}
            cards.press(title, "check", f"use/{trained.name}", session.change, settings, disabled=using, help=about)
            with st.popover("Curves", icon=":material/show_chart:"):
                draw_curves(trained.name, training.training_log(trained.name), record["evaluation"]["k"])
