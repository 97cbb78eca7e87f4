"""Tokens as one can see and click them."""

import numpy as np
import streamlit as st

from app.ui import cards
from core.config import TrialConfig
from core.labs.sampling import prompts
from core.sampling.writing import Written

HEATS = {  # of a token -> (button, what the colour says, colour)
    "probability": ("Probability", "stronger: the model gave the token less probability", "230,159,0"),
    "entropy": ("Entropy", "stronger: the model was less sure at this place (8 bits: strongest)", "86,180,233"),
    "chain": ("Under the chain", "stronger: the chain gave the token less probability", "204,121,167"),
}
LOOK = """
.st-key-tokens [data-testid="stButtonGroup"] > div, .st-key-tokens [role="radiogroup"] { gap: 2px 0; flex-wrap: wrap; }
.st-key-tokens button { border: 0; border-radius: 2px; padding: 0 1px; min-height: 1.6rem; height: 1.6rem; min-width: .5rem; }
.st-key-tokens button p { font-size: .95rem; line-height: 1.5; }
.st-key-tokens button[kind="pillsActive"], .st-key-tokens button[aria-checked="true"] {
  box-shadow: inset 0 -3px 0 var(--gw-accent); font-weight: 600; }
"""


def visible(token: str) -> str:
    """A token as one can see it: spaces and line ends have signs."""
    return token.replace(" ", "·").replace("\n", "⏎").replace("\t", "⇥") or "∅"


def unseen(number: int) -> str:
    """The number in characters of no width: pills are told apart by their labels, and the same word may stand twice."""
    return "".join("\u200b\u200c"[int(digit)] for digit in f"{number:b}")


def share(p: float) -> str:
    return f"{p:.0%}" if p >= 0.0995 else f"{p:.1%}" if p >= 0.0005 else "<0.1%"


def heat(written: Written, by: str) -> np.ndarray:
    """[tokens] from 0 (the model was sure) to 1."""
    if by == "entropy":
        return np.minimum(1.0, written.traced.entropy_bits / 8)
    return 1 - (written.traced.probability if by == "probability" else np.array([p.chain_probability for p in written.picks]))


def tokens_row(config: TrialConfig, written: Written) -> int:
    """The answer as tokens that can be clicked, coloured; returns the place of the chosen one."""
    by = st.session_state.get("heat") or "probability"
    names, rules = prompts.token_texts(config, [p.token for p in written.picks]), []
    for place, (name, value, pick) in enumerate(zip(names, heat(written, by), written.picks, strict=True), 1):
        ring = "outline:2px solid var(--gw-accent);outline-offset:-2px;" if pick.forced else ""
        rules.append(
            f".st-key-tokens button:nth-of-type({place}){{background:rgba({HEATS[by][2]},{0.8 * value:.2f});"
            f"margin-left:{'.3em' if name[:1].isspace() else '0'};{ring}}}"
        )
    st.html(f"<style>{LOOK}{''.join(rules)}</style>")
    labels = [name.strip() or ("⏎" if "\n" in name else "␣") for name in names]
    if written.reason == "stop":
        labels[-1] = "end"
    places = list(range(len(names)))
    if st.session_state.get("tokens") not in places:
        st.session_state.tokens = 0
    chosen = st.pills(
        "Tokens of the answer",
        places,
        key="tokens",
        wrap=True,
        label_visibility="collapsed",
        format_func=lambda i: cards.plain(labels[i]) + unseen(i) if i < len(labels) else "",
    )
    return chosen or 0
