"""The receipt of an answer, and its second run."""

from typing import Any

import streamlit as st

from app.ui import cards, evidence, jobs
from core.errors import WorkbenchError
from core.generation import prices
from core.generation.receipt import Comparison
from core.records import Answer
from core.workbench import around, one_phase


def draw(answer: Answer, number: int, again: tuple[str, Comparison] | None, run_again: Any) -> None:
    made = answer.receipt
    if made is None:
        return
    # opened by its second run, which a click within it started
    with st.expander(
        "Receipt: what made this answer, and is it reproducible?",
        key=f"receipt/{number}",
        icon=":material/receipt_long:",
        expanded=again is not None,
    ):
        settings = ", ".join(
            f"{name} {value}" for name, value in made.settings.items() if name != "part" and value not in ("", [])
        )
        cards.facts(
            [
                ("Engine", made.build or made.engine),
                ("Machine", made.machine),
                ("Model", made.model),
                ("Model's file", f"SHA-256 {made.model_sha256[:20]}…" if made.model_sha256 else "unknown for a remote model"),
                (
                    "Threads",
                    ""
                    if made.threads is None
                    else f"{made.threads}, prompt in pieces of {made.batch_tokens} tokens"
                    if made.batch_tokens
                    else str(made.threads),
                ),
                ("Seed", str(made.seed)),
                ("Settings", settings),
                ("Prompt", f"SHA-256 {made.prompt_sha256[:20]}…"),
                ("Text", f"SHA-256 {made.text_sha256[:20]}…"),
                ("Ended", made.finish_reason),
                ("Price", price(answer)),
            ]
        )
        if answer.text:
            takes = one_phase("the answer once more", around(answer.generation_ms / 1000))
            jobs.press_button(
                "Run again and compare",
                jobs.Press("ask-again", takes),
                key=f"again/{number}",
                icon=":material/replay:",
                on_click=run_again,
                help="The same prompt, settings and seed. The second text is not stored.",
            )
        if again is not None:
            compared(answer, *again)


def price(answer: Answer) -> str:
    """Of a remote model, by the table."""
    if "base_url" not in answer.receipt.settings:
        return ""
    try:
        table = prices.table()
    except WorkbenchError as error:
        return error.what
    rate = prices.price(answer.receipt.settings["model"], table) or prices.price(answer.model, table)
    if rate is None:
        return "not in the table; add the model under Prices"
    return f"${rate.input:g} a million prompt tokens, ${rate.output:g} a million answer tokens"


def compared(first: Answer, text: str, comparison: Comparison) -> None:
    """Token-level match, first difference, and whether the conclusion changed."""
    longest = max(comparison.first, comparison.second)
    units = f"{comparison.unit}s"
    cards.row(
        [
            cards.Card(
                "Same at the same place",
                100 * comparison.share,
                unit="%",
                digits=0,
                direction=0,
                note=f"{comparison.same:,} of {longest:,} {units}",
            ),
            cards.Card(
                "First difference",
                None if comparison.first_difference is None else comparison.first_difference + 1,
                unit=comparison.unit,
                digits=0,
                direction=0,
                note="none",
            ),
        ]
    )
    if comparison.same_conclusion is None:
        st.warning("Both attempts failed, so there is no conclusion to compare.", icon=":material/rule:")
    elif comparison.same_conclusion:
        st.success("The conclusion is the same: words and cited passages, case and punctuation aside.", icon=":material/check:")
    else:
        st.warning("The conclusion differs in its words or in the passages it cites.", icon=":material/rule:")
    causes = [name.replace("_", " ") for name in comparison.changed if name not in ("text_sha256", "finish_reason")]
    if causes:
        st.caption(f"The receipts differ in: {', '.join(causes)}.")
    if comparison.first_difference is not None:
        shared = next(
            (at for at, (a, b) in enumerate(zip(first.text, text, strict=False)) if a != b), min(len(first.text), len(text))
        )
        for column, title, words in zip(st.columns(2), ("First", "Second"), (first.text, text), strict=True):
            with column:
                st.caption(title)
                body = evidence.marked(words, [evidence.Mark(shared, len(words), "b")])
                evidence.show(f'<div class="gw gw-text">{body}</div>')
