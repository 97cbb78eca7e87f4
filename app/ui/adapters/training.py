"""The settings of an adapter's training, its job, and what is seen of it while it runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, charts, forms, jobs, tables
from app.ui.adapters.source import Lesson
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.adapters import training as adapters
from core.labs.adapters.forecast import nothing_to_learn, training_forecast
from core.models import hub
from core.training.adapters.settings import AdapterTraining, PreferenceTraining
from core.workbench import command_line

KNOBS_FIRST = (
    "rank",
    "alpha",
    "beta",
    "learning_rate",
    "max_steps",
    "test_examples",
    "batch_size",
    "questions",
    "answers",
    "distractors",
)
VERBS = ("train-adapter", "train-dpo")
# settings that act on some sources alone
ACTS_ON = {
    **dict.fromkeys(("questions", "answers", "answerable", "agree", "stands", "copied"), ("documents",)),
    **dict.fromkeys(("passage_characters", "distractors", "distractors_by", "without_gold", "cite"), ("corpus", "documents")),
    "study": ("labels", "preferences"),
    "margin": ("labels", "trials"),
    "right": ("trials",),
    "same_passages": ("labels", "preferences", "trials"),
}


def settings(lesson: Lesson) -> dict[str, Any]:
    """As the widgets say them."""
    usual, place = _form(lesson.of_pairs)
    idle = ["source", *(name for name, sources in ACTS_ON.items() if lesson.source not in sources)]
    return ({"source": lesson.source} if lesson.source else {}) | forms.settings_form(usual, place, KNOBS_FIRST, idle)


def _form(of_pairs: bool) -> tuple[AdapterTraining | PreferenceTraining, str]:
    """The usual settings, and what the keys of their widgets begin with."""
    return (PreferenceTraining(), "adapter/pairs") if of_pairs else (AdapterTraining(), "adapter")


def fill(settings: dict[str, Any], of_pairs: bool) -> None:
    """Callback: the form as these settings say; the others as usual."""
    usual, place = _form(of_pairs)
    values = usual.model_dump() | settings
    for knob in forms.knobs(type(usual)):
        st.session_state[f"{place}/{knob.name}"] = values[knob.name]


def start(config: TrialConfig, chosen: dict[str, Any], lesson: Lesson, file: Path | None) -> None:
    """The name, the command, and the button that makes it a job."""
    if lesson.source == "corpus" and nothing_to_learn(session.workbench(), config):
        about = (
            "This corpus has no questions with evidence to learn from. Add some on the page Corpus, or learn from something else."
        )
        return st.info(about, icon=":material/info:")
    fresh = hub.free_name(hub.adapters_home(), config.corpus.dataset if file is None else "file")
    name = st.text_input("Name", fresh, key=f"adapter/name/{fresh}", help="Letters, digits, points, hyphens.")
    try:
        arguments = adapters.training_arguments(session.workbench(), config, name, chosen, file, lesson.of_pairs)
    except WorkbenchError as error:
        return cards.problem(error)
    takes = training_forecast(session.workbench(), config, chosen, file, lesson.of_pairs)
    return jobs.train_button(name, arguments, "an adapter", adapters.is_taken(name), "adapter/start", takes)


def under_way() -> bool:
    """Draws the last training that has not become an adapter; whether it runs."""
    return jobs.training(VERBS, adapters.adapter_log, draw_curves)


def draw_curves(name: str, log: Sequence[dict[str, Any]]) -> None:
    steps = [line for line in log if line["kind"] == "step" and line["loss"] is not None]
    checks = [line for line in log if line["kind"] == "evaluation"]
    if not steps and not checks:
        return st.caption("Loss, speed and sample answers appear here from the first step on, once the model is loaded.")
    command = command_line("adapter-training", name)
    left, right = st.columns(2)
    with left:
        traces = charts.line([s["step"] for s in steps], [s["loss"] for s in steps], name="Training")
        traces += charts.line([c["step"] for c in checks], [c["loss"] for c in checks], name="Validation", color=charts.COLORS[1])
        charts.show(
            charts.figure(traces, "Step", "Loss", height=240),
            f"adapter-loss-{name}",
            data=[*steps, *checks],
            command=command,
            title="Loss",
            caption="of an answer's token, or of a pair; natural log; step 0: the base",
        )
    with right:
        speed = [s["tokens"] / max(1e-9, s["seconds"]) for s in steps]
        charts.show(
            charts.figure(charts.line([s["step"] for s in steps], speed), "Step", "Tokens a second", legend=False, height=240),
            f"adapter-speed-{name}",
            data=[{"step": s["step"], "tokens_per_s": value} for s, value in zip(steps, speed, strict=True)],
            command=command,
            title="Speed",
            caption=f"memory {steps[-1]['memory_mb']:,} MB" if steps else "",
        )
    written = [line for line in log if line["kind"] == "samples"]
    if written:
        st.markdown("**Sample answers** of the validation part, at each evaluation")
        rows = [
            {"Step": f"{line['step']:,}", "Question": sample["question"], "Answer": sample["answer"], "Right": sample["right"]}
            for line in written
            for sample in line["samples"]
        ]
        tables.wrapped_table(rows)
    return None
