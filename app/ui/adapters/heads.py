"""The tab of heads: the bundled encoder taught labels, tags, answers or preferences, what was trained, and ONNX."""

from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, forms, jobs, tables, ways
from app.ui.encoders.cells import html_table, number
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.heads import trained as lab
from core.models import hub
from core.training.heads.settings import HeadTraining
from core.workbench import command_line, one_phase

KNOBS_FIRST = ("epochs", "learning_rate", "batch_size", "max_tokens", "lora_rank", "evaluate_every")
EXAMPLES = 20
NAMES = {
    "em": "Exact match",
    "f1": "Token F1",
    "macro_f1": "Macro-F1",
    "micro_f1": "Micro-F1",
    "span_f1": "Span F1",
    "accuracy": "Accuracy",
    "log_loss": "Log loss",
    "brier": "Brier score",
    "longer": "Accuracy of the longer answer",
    "supported": "Accuracy of the more supported answer",
    "gain_over_longer": "Gain over the longer answer",
    "gain_over_supported": "Gain over the more supported answer",
}  # others by their own name


def heads(config: TrialConfig) -> None:
    left, right = st.columns([1, 2], gap="medium")
    with left:
        verb = st.radio("Task", list(lab.KINDS), format_func=lambda verb: lab.KINDS[verb][0], key="head/kind")
        file = source(config, verb)
        chosen = forms.settings_form(HeadTraining(), "head", KNOBS_FIRST)
    with right:
        st.caption("The bundled encoder with a new head; the test documents are held out.")
        if not jobs.training(lab.KINDS, lab.head_log, draw_curves) and file != Path():  # a file that is still to be given
            with st.container(border=True):
                start(config, verb, chosen, file)
        st.subheader("Trained heads", anchor=False)
        entries = lab.trained_heads()
        if not entries:
            st.caption("None yet. A trained head is a folder that transformers reads, and ONNX Runtime after an export.")
        for entry in entries:
            drawn(entry)


def source(config: TrialConfig, verb: str) -> Path | None:
    """The file that was given; None: the recipe's corpus."""
    _, form = lab.KINDS[verb]
    if lab.corpus_serves(verb, session.workbench().corpus(config)):
        kinds = (f"Corpus {config.corpus.dataset}", "A file")
        if st.radio("Learn from", kinds, horizontal=True, key="head/source") == kinds[0]:
            return None
    upload = st.file_uploader("A file of examples", type=list(lab.SUFFIXES), key=f"head/file/{verb}", help=form)
    if upload is None:
        st.caption(form)
        return Path()
    return lab.received(upload.getvalue(), upload.name)


def start(config: TrialConfig, verb: str, chosen: dict[str, Any], file: Path | None) -> None:
    """The name, the command, and the button that makes it a job."""
    fresh = hub.free_name(hub.heads_home(), verb.removeprefix("train-"))
    name = st.text_input("Name", fresh, key=f"head/name/{fresh}", help="Letters, digits, points, hyphens.")
    try:
        arguments = lab.head_arguments(verb, name, config, chosen, file)
    except WorkbenchError as error:
        return cards.problem(error)
    like = config.corpus.dataset if file is None else "file"
    takes = one_phase(f"{cards.count(chosen['epochs'], 'epoch')} at most, and the test", units=chosen["epochs"], like=like)
    return jobs.train_button(name, arguments, "a model", lab.is_taken(name), "head/start", takes)


def draw_curves(name: str, log: list[dict[str, Any]]) -> None:
    steps = [line for line in log if line["kind"] == "step" and line["loss"] is not None]
    checks = [line for line in log if line["kind"] == "evaluation"]
    if not steps and not checks:
        return st.caption("Loss and validation appear here from the first step on, once the texts are prepared.")
    command, (left, right) = command_line("head-training", name), st.columns(2)
    with left:
        traces = charts.line([s["step"] for s in steps], [s["loss"] for s in steps])
        charts.show(
            charts.figure(traces, "Step", "Loss", legend=False, height=240),
            f"head-loss-{name}",
            data=steps,
            command=command,
            title="Training loss",
        )
    with right:
        measures = [measure for measure in (checks[0] if checks else {}) if measure in SHARES]
        traces = [
            trace
            for shade, measure in zip(charts.COLORS, measures, strict=False)
            for trace in charts.line([c["step"] for c in checks], [c[measure] for c in checks], name=titled(measure), color=shade)
        ]
        charts.show(
            charts.figure(traces, "Step", "Validation", height=240),
            f"head-validation-{name}",
            data=checks,
            command=command,
            title="Validation",
            caption="step 0: the start",
        )
    return None


SHARES = ("macro_f1", "micro_f1", "accuracy", "span_f1", "em", "f1")  # measures from 0 to 1 that stand in one chart


def titled(measure: str) -> str:
    return NAMES.get(measure, measure.replace("_", " ").capitalize())


def drawn(entry: lab.HeadEntry) -> None:
    name, record = entry
    with st.container(border=True):
        st.markdown(f"**{cards.plain(name)}**")
        rows = [
            [
                f"<td>{escape(titled(measure))}</td>",
                number("–" if row["value"] is None else f"{row['value']:.3f}"),
                number("–" if row["low"] is None else f"{row['low']:.3f} to {row['high']:.3f}".replace("-", "−")),
            ]
            for measure, row in record["test"].items()
        ]
        html_table(["On the test part, asked once", "Value", "95% interval"], rows)
        sizes, seconds = record["sizes"], record["seconds"]
        task = lab.learnt(record)
        stopped = "" if record["stopped"] == "all steps" else ", stopped early"
        facts = [
            ("Learnt", f"{task}, {cards.count(sizes['labels'], 'label')}" if sizes["labels"] else task),
            ("Examples", f"{sizes['train']:,} to train, {sizes['validation']:,} to validate, {sizes['test']:,} to test"),
            ("Steps", f"{record['steps']:,}{stopped}; kept: step {record['best_step']:,}"),
            ("Time", cards.duration(seconds["training"])),
            ("A text", f"{1000 * seconds['test_a_text']:.1f} ms"),
        ]
        cards.facts(facts)
        for note in record["notes"]:
            st.caption(cards.plain(note))
        with st.container(horizontal=True):
            with st.popover("Examples", icon=":material/format_quote:"):
                examples(name)
            with st.popover("Curves", icon=":material/show_chart:"):
                draw_curves(name, lab.head_log(name))
            exported(name)
        if record["task"] == "spans":
            use_reader(name)


def use_reader(name: str) -> None:
    """The switch, and once it is on, the way to what it does."""
    way = {"part": "reader", "model": name}
    using = session.config().answering.model_dump(include=set(way)) == way
    title = "In use" if using else "Answer with this reader"
    about = "The recipe in use answers by spans that it marks, on every page."
    with st.container(horizontal=True, vertical_alignment="center"):
        cards.press(title, "check", f"head/use/{name}", session.change, {"answering": way}, disabled=using, help=about)
        if using:
            ways.link("ask_model", "Ask with it", "forum")


def examples(name: str) -> None:
    st.caption("Test examples, wrong predictions first.")
    rows = [
        {"Read": each.read, "Right": each.truth, "Said": each.prediction, "": "✓" if each.right else "✗"}
        for each in lab.head_examples(name, EXAMPLES)
    ]
    tables.wrapped_table(rows)


def exported(name: str) -> None:
    """The button that writes it for ONNX Runtime, then how equal and how fast that is."""
    job = jobs.latest(["export-onnx", name])
    if job is None or job.status != "done" or not isinstance(job.result, dict):
        takes = one_phase("writing the model, and comparing its outputs with torch's", units=1)
        return jobs.start_button("Write for ONNX Runtime", ["export-onnx", name], f"Writing {name}", takes, place=name)
    made = job.result
    equal = f"outputs at most {made['largest_logit_difference']:.1g} from torch's"
    fast = f"{made['onnx_ms']:.1f} ms a text, torch {made['torch_ms']:.1f} ms ({made['speed_up']:.1f} times as fast)"
    return st.caption(cards.plain(f"ONNX: {cards.size(made['bytes'])}; {equal}; {fast}."))
