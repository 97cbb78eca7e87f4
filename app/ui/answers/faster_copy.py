"""What a converted copy of the weights gains, or the offer to make one."""

from typing import Any

import streamlit as st

from app import session
from app.ui import jobs
from core.config import PartConfig, TrialConfig
from core.errors import WorkbenchError
from core.records import Answer
from core.workbench import one_phase


def draw(answer: Answer, generator: PartConfig) -> None:
    """What a converted copy of the weights gains, or the offer to make one where `auto` waits for it."""
    if not answer.receipt or not generator.copies or generator.weights != "auto":
        return
    made = answer.receipt.settings["weights"]
    try:
        gains = "" if (waits := generator.converts()) else copy_gains(generator.choice(), made != "as_bundled")
    except WorkbenchError:  # the file has gone since
        return
    if gains:
        st.caption(f":material/bolt: {gains}")
    elif waits and made == "as_bundled":
        with st.container(border=True):
            st.caption(
                "The model file was used as it is. A converted copy may read prompts about twice as fast. It is used only if its "
                "answers are nearly the same."
            )
            recipe = TrialConfig(generation=type(generator)(model=generator.model))
            arguments = ["convert-model", *session.workbench().arguments(recipe)]
            takes = one_phase("converting the weights, and measuring the copies", units=1)
            title = "A faster copy of the model"
            jobs.start_button("Make the copy", arguments, title, takes, icon=":material/bolt:", kind="secondary")


def copy_gains(choice: Any, used_already: bool = False) -> str:
    rows = {row.weights: row for row in choice.measured}
    if not rows:
        return ""
    bundled, used = rows["as_bundled"], rows[choice.weights]
    if used is bundled:
        return "No converted copy is faster on this machine with nearly the same answers: the file is used as it is."
    who = "This answer was made with" if used_already else "The next answers are made with"
    return (
        f"{who} a copy of the weights in {choice.weights.upper()}: prompts "
        f"{used.prompt_tokens_per_cpu_s / bundled.prompt_tokens_per_cpu_s:.1f} and answers "
        f"{used.answer_tokens_per_cpu_s / bundled.answer_tokens_per_cpu_s:.1f} times the speed of the file as it is; "
        f"{used.same_token:.0%} of the top tokens agree, KL divergence {used.divergence:.3f} nats."
    )
