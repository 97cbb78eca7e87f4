"""What stands under an answer: how it ended and what it cost, its receipt, and answers of several engines side by side."""

import importlib.util
import json
import math
from html import escape
from typing import Any

import streamlit as st

from app import session
from app.ui import cards, cells, charts, evidence, forms, jobs
from core.config import PartConfig, TrialConfig
from core.errors import WorkbenchError
from core.generation import prices
from core.generation.receipt import Comparison, conclusion
from core.models import gguf_files
from core.records import Answer

REASONS = {"stop": "ended by itself", "abstained": "the model was not asked", "deadline": "cut at the time limit"}
SAVED = "Saved. The next answers are counted by it."
MARK = '<span style="color:{}">\u25cf</span> '


def destination(recipes: list[TrialConfig]) -> str:
    """Where question and passages go, in words; "" where they stay in this process."""
    hosts = {recipe.generation.destination() for recipe in recipes} - {""}
    here = [host for host in hosts if host.rpartition(":")[0].strip("[]") in ("127.0.0.1", "localhost", "::1")]
    words = [f"{host}, a server on this machine" if host in here else host for host in sorted(hosts)]
    return f"Question and passages are sent to {' and to '.join(words)}." if words else ""


def titles(recipes: list[TrialConfig]) -> list[str]:
    """Each engine in a few words: what it changes of the defaults, or of the first one where that is the same engine."""
    first, found = recipes[0].generation, []
    for number, one in enumerate(recipe.generation for recipe in recipes):
        other = first if number and one.part == first.part else type(one)()
        changed = [
            f"{knob.label.lower()} {value}"
            for knob in forms.knobs(type(one))
            if (value := getattr(one, knob.name)) != getattr(other, knob.name)
        ]
        found.append(", ".join([one.part.replace("_", " "), *changed] if changed or other is not first else ["as the first"]))
    return found


def ending(answer: Answer) -> str:
    if answer.finish_reason == "length":
        return "cut" if answer.answer_tokens is None else f"cut at {answer.answer_tokens:,} tokens"
    return "failed" if failure(answer) else REASONS.get(answer.finish_reason, answer.finish_reason)


def failure(answer: Answer) -> str:
    """Why there is no answer, and what to do; "" where there is one."""
    if not answer.finish_reason.startswith("failed"):
        return ""
    why = answer.finish_reason.removeprefix("failed: ")
    if why.startswith("refusal"):
        return "There is no answer: the model refused. Word the question otherwise, or ask another engine."
    if why.startswith("HTTP 429"):
        return f"There is no answer: the service has had too many requests. {why}. Wait a while, or raise Retries."
    return f"There is no answer: {why}."


def speed(answer: Answer) -> float | None:
    """Tokens a second after the first one."""
    writing_ms = answer.generation_ms - answer.first_token_ms
    return 1000 * (answer.answer_tokens - 1) / writing_ms if (answer.answer_tokens or 0) > 1 and writing_ms > 0 else None


def dollars(cost: float) -> str:
    """Two digits that count, and cents at least: $0.00042, $1.20."""
    return f"${cost:,.{max(2, 1 - math.floor(math.log10(cost))) if cost > 0 else 2}f}"


def costs(answer: Answer) -> list[str]:
    """Time, tokens and money, as facts of a status strip."""
    facts = [f"retrieval {cards.duration(answer.retrieval_ms / 1000)}"]
    if not answer.prompt:
        return facts
    reused = f", {answer.reused_tokens:,} from the cache" if answer.reused_tokens else ""
    facts.append(
        "prompt tokens not counted" if answer.prompt_tokens is None else f"prompt {answer.prompt_tokens:,} tokens{reused}"
    )
    facts.append("answer tokens not counted" if answer.answer_tokens is None else f"answer {answer.answer_tokens:,} tokens")
    facts += [f"first token {cards.duration(answer.first_token_ms / 1000)}"] * bool(answer.first_token_ms)
    facts.append(f"generation {cards.duration(answer.generation_ms / 1000)}")
    facts += [f"{rate:,.0f} tokens/s"] if (rate := speed(answer)) else []
    facts += [cards.count(answer.retries, "retry").replace("retrys", "retries")] if answer.retries else []
    if answer.cost_usd is not None:
        facts.append(f"cost {dollars(answer.cost_usd)}")
    elif answer.receipt and "base_url" in answer.receipt.settings:
        facts.append("cost unknown")
    return facts


def faster_copy(answer: Answer, generator: PartConfig) -> None:
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
                "The model's file was used as it came. A copy in another number format may read prompts about twice as "
                "fast. Made and measured once, in about a minute; taken only where it says nearly the same."
            )
            recipe = TrialConfig(generation=type(generator)(model=generator.model))
            arguments = ["convert-model", *session.workbench().arguments(recipe)]
            jobs.start_button("Make the copy", arguments, "A faster copy of the model", icon=":material/bolt:")


def copy_gains(choice: Any, used_already: bool = False) -> str:
    rows = {row.weights: row for row in choice.measured}
    if not rows:
        return ""
    given, used = rows["as_bundled"], rows[choice.weights]
    if used is given:
        return "No other number format is faster here and says nearly the same: the file is used as it came."
    who = "This answer was made with" if used_already else "The next answers are made with"
    return (
        f"{who} a copy of the weights in {choice.weights.upper()}: prompts "
        f"{used.prompt_tokens_per_cpu_s / given.prompt_tokens_per_cpu_s:.1f} and answers "
        f"{used.answer_tokens_per_cpu_s / given.answer_tokens_per_cpu_s:.1f} times the speed of the file as it came; "
        f"{used.same_token:.0%} of the likeliest tokens are the same, {used.divergence:.3f} nats apart."
    )


def tokens(answer: Answer) -> None:
    """The answer coloured by how sure the model was of each token, and the tokens with their rivals."""
    st.caption("The stronger the colour, the less probable the token was under the model itself, before sampling.")
    spans = [
        f'<span style="background:rgba(230,159,0,{0.8 * (1 - math.exp(one.logprob)):.2f})" '
        f'title="{escape(f"{one.text!r} {math.exp(one.logprob):.1%}")}">{escape(one.text)}</span>'
        for one in answer.tokens
    ]
    evidence.show(f'<div class="gw gw-text">{"".join(spans)}</div>')
    percent = st.column_config.NumberColumn(format="%.1f %%")
    cells.show(
        [
            {
                "Token": one.text,
                "Probability": 100 * math.exp(one.logprob),
                "Likeliest there": "   ".join(f"{text!r} {math.exp(logprob):.0%}" for text, logprob in one.top),
            }
            for one in answer.tokens
        ],
        column_config={"Probability": percent},
    )


# --- what is said under the settings ---------------------------------------------------------------------------------


def without_gpu() -> bool:
    """Whether llama.cpp is here and was built for the processor alone."""
    return bool(importlib.util.find_spec("llama_cpp")) and not gguf_files.offloads()


def notes(recipes: list[TrialConfig]) -> None:
    """What a setting does not say of itself: no GPU in this build, and prices."""
    parts = [recipe.generation for recipe in recipes]
    if any(part.part == "llama_cpp" for part in parts) and without_gpu():
        st.caption("This build of llama.cpp has no GPU: the model runs on the processor, whatever GPU (layers) says.")
    if all(part.local for part in parts):
        return
    with st.expander("Prices", icon=":material/payments:"):
        st.caption(
            "USD per million tokens, by model. What stands here goes before the table that is shipped; a model in "
            "neither has an unknown cost. cache_read and cache_write are of prompt tokens."
        )
        lines = [f"  {json.dumps(part.model)}: {{input: 0, output: 0}}" for part in parts if not part.local]
        st.text_area(
            "Own prices",
            prices.own_text(),
            key="prices",
            height=140,
            label_visibility="collapsed",
            placeholder="\n".join(["models:", *dict.fromkeys(lines)]),
        )
        st.button("Save prices", on_click=save_prices, icon=":material/save:")
        if said := st.session_state.pop("prices!", None):
            (st.success if said == SAVED else st.error)(cards.plain(said))


def save_prices() -> None:
    try:
        prices.save(st.session_state.prices)
        st.session_state["prices!"] = SAVED
    except WorkbenchError as error:
        st.session_state["prices!"] = error.what


def speed_here(config: TrialConfig) -> None:
    """How fast the engine is on this machine: batches, passages kept, formats of the weights."""
    if config.generation.part != "llama_cpp":
        return
    from core.labs import engines as engine_lab

    with st.expander("Speed on this machine: batches, passages kept, formats of the weights", icon=":material/speed:"):
        part = config.generation
        asked = TrialConfig(generation=type(part)(model=part.model, threads=part.threads, gpu_layers=part.gpu_layers))
        if found := engine_lab.stored(session.workbench(), asked):
            body = "".join(
                f'<tr><td>{escape(a)}</td><td class="num">{escape(b)}</td><td class="num">{escape(c)}</td></tr>'
                if b
                else f'<tr><th colspan="3">{escape(a)}</th></tr>'
                for a, b, c in speed_rows(found)
            )
            st.html(f'<div class="gw"><table class="gw-table wrap">{body}</table></div>')
            st.caption(
                cards.plain(
                    f"{found.model}, {cards.count(found.threads, 'thread')}; {found.machine}; {found.created[:10]}. "
                    f"Medians of {engine_lab.ROUNDS} rounds in which all take turns; answers of "
                    f"{engine_lab.FIXED['max_tokens']} tokens at most. Nats: how far the predictions lie from "
                    "those of the file as it came."
                )
            )
        else:
            st.caption(
                "What batches of 4, 8 and 16, passages kept in memory and other number formats gain with this model. "
                "It takes some two minutes; answers asked meanwhile are slower, and so is what is measured."
            )
        arguments = ["measure-engine", *session.workbench().arguments(asked)]
        jobs.start_button("Measure again" if found else "Measure", arguments, "Speed of the engine", icon=":material/speed:")


def speed_rows(found: Any) -> list[tuple[str, str, str]]:
    """(what, value, gain); a heading has neither."""
    one, cold, kept = found.answers_per_s["1"], found.first_cold_ms, found.first_kept_ms
    rows = [("Several answers at once", "", "")]
    rows += [
        ("one at a time" if size == "1" else f"{size} at once", f"{speed:,.2f} answers/s", f"{speed / one:.1f} times")
        for size, speed in found.answers_per_s.items()
    ]
    rows += [
        (f"Questions over the same passages, {found.prompt_tokens:,} tokens", "", ""),
        ("passages read anew", f"first token {cards.duration(cold / 1000)}", "1.0 times"),
        ("passages kept in memory", f"first token {cards.duration(kept / 1000)}", f"{cold / kept:.1f} times"),
        ("same text either way", f"{found.same_text} of {found.questions}", ""),
    ]
    if found.formats:
        rows.append(("Formats of the weights, tokens in a second of one processor", "", ""))
    rows += [
        (
            "as the file came" if row.weights == "as_bundled" else row.weights.upper(),
            f"reads {row.prompt_tokens_per_cpu_s:,.0f}, writes {row.answer_tokens_per_cpu_s:,.0f}",
            f"{found.formats[0].question_cpu_s / row.question_cpu_s:.1f} times, {row.divergence:.3f} nats away",
        )
        for row in found.formats
    ]
    return rows


# --- the receipt -----------------------------------------------------------------------------------------------------


def receipt(answer: Answer, number: int, again: tuple[str, Comparison] | None, run_again: Any) -> None:
    made = answer.receipt
    if made is None:
        return
    # opened by its second run, which a click within it started
    with st.expander(
        "Receipt: what made this answer, and does it come again",
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
                ("Model's file", f"SHA-256 {made.model_sha256[:20]}…" if made.model_sha256 else "not known of a remote model"),
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
            st.button(
                "Run again and compare",
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
    found = prices.price(answer.receipt.settings["model"], table) or prices.price(answer.model, table)
    if found is None:
        return "not in the table; add the model under Prices"
    return f"${found.input:g} a million prompt tokens, ${found.output:g} a million answer tokens"


def compared(first: Answer, text: str, found: Comparison) -> None:
    """Token-level match, first difference, and whether the conclusion changed."""
    longest = max(found.first, found.second)
    units = f"{found.unit}s"
    cards.row(
        [
            cards.Card(
                "Same at the same place",
                100 * found.share,
                unit="%",
                digits=0,
                direction=0,
                note=f"{found.same:,} of {longest:,} {units}",
            ),
            cards.Card(
                "First difference",
                None if found.first_difference is None else found.first_difference + 1,
                unit=found.unit,
                digits=0,
                direction=0,
                note="none",
            ),
        ]
    )
    if found.same_conclusion:
        st.success("The conclusion is the same: words and cited passages, case and punctuation aside.", icon=":material/check:")
    else:
        st.warning("The conclusion is another one: its words or the passages it cites differ.", icon=":material/rule:")
    causes = [name.replace("_", " ") for name in found.changed if name not in ("text_sha256", "finish_reason")]
    if causes:
        st.caption(f"The receipts differ in: {', '.join(causes)}.")
    if found.first_difference is not None:
        shared = next(
            (at for at, (a, b) in enumerate(zip(first.text, text, strict=False)) if a != b), min(len(first.text), len(text))
        )
        for column, title, words in zip(st.columns(2), ("First", "Second"), (first.text, text), strict=True):
            with column:
                st.caption(title)
                body = evidence.marked(words, [evidence.Mark(shared, len(words), "b")])
                evidence.show(f'<div class="gw gw-text">{body}</div>')


# --- several engines -------------------------------------------------------------------------------------------------


def grid(count: int) -> list[Any]:
    """Boxes for answers, two a row."""
    if count == 1:
        return [st.container(border=True)]
    rows = [st.columns(2, gap="small") for _ in range(-(-count // 2))]
    boxes = [column for row in rows for column in row][:count]
    return [box.container(border=True, height="stretch") for box in boxes]


def heading(number: int, title: str = "") -> None:
    words = escape(f"Engine {number + 1}") + (f"</b> {escape(title)}" if title else "</b>")
    st.html(f'<div class="gw gw-small">{MARK.format(charts.shade(charts.COLORS[number]))}<b>{words}</div>')


def table(answers: list[Answer | None]) -> None:
    """The numbers of all answers, an engine a column."""
    first = next((one for one in answers if one and one.text), None)
    columns = [_numbers(one, first) for one in answers]
    heads = "".join(
        f'<th class="num">{MARK.format(charts.shade(charts.COLORS[i]))}Engine {i + 1}</th>' for i in range(len(answers))
    )
    rows = []
    for name in columns[0]:
        cells = "".join(f'<td class="num">{escape(one[name])}</td>' for one in columns)
        rows.append(f"<tr><td>{name}</td>{cells}</tr>")
    st.html(f'<div class="gw"><table class="gw-table wrap"><tr><th></th>{heads}</tr>{"".join(rows)}</table></div>')
    st.caption(
        "One after the other, each with the same question and passages. What an engine still holds of a prompt (reused) "
        "makes its first token fast. Conclusion: words and cited passages, case and punctuation aside."
    )


def _numbers(one: Answer | None, first: Answer | None) -> dict[str, str]:
    def number(value: float | None, text: str) -> str:
        return "\u2013" if value is None else text.format(value)

    done = one is not None and bool(one.text)
    ran = one if done else None
    conclusions = [conclusion(each.text, len(each.hits)) for each in (one, first)] if done else ()
    return {
        "Ended": ending(one) if one else "not finished",
        "First token (ms)": number(ran and ran.first_token_ms, "{:,.0f}"),
        "Speed (tokens/s)": number(ran and speed(ran), "{:,.1f}"),
        "Answer (tokens)": number(ran and ran.answer_tokens, "{:,}"),
        "Prompt (tokens)": number(ran and ran.prompt_tokens, "{:,}"),
        "of it reused (tokens)": number(ran and ran.reused_tokens, "{:,}"),
        "Cost": "\u2013" if ran is None or ran.cost_usd is None else dollars(ran.cost_usd),
        "Cites": ", ".join(map(str, ran.cited)) or "none" if ran else "\u2013",
        "Conclusion": "\u2013"
        if not done
        else "the first"
        if one is first
        else "the same"
        if conclusions[0] == conclusions[1]
        else "another",
    }
