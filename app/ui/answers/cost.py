"""How an answer ended, and what it cost."""

import math
from html import escape

import streamlit as st

from app.ui import cards, charts
from app.ui.answers.engines import MARK
from core.agents import runs
from core.generation.receipt import conclusion
from core.records import Answer

REASONS = {"stop": "ended by itself", "abstained": "the model was not asked", "deadline": "cut at the time limit"}


def ending(answer: Answer) -> str:
    if answer.finish_reason == "length":
        if "end" in answer.detail:  # an agent's answer is whole: its run met a limit
            return f"run ended: {runs.ENDS[answer.detail['end']]}"
        return "cut" if answer.answer_tokens is None else f"cut at {answer.answer_tokens:,} tokens"
    if answer.withheld:
        return "abstained: not confident enough"
    return "failed" if failure(answer) else REASONS.get(answer.finish_reason, answer.finish_reason)


def failure(answer: Answer) -> str:
    """Why there is no answer, and what to do; "" where there is one."""
    if not answer.finish_reason.startswith("failed"):
        return ""
    why = answer.finish_reason.removeprefix("failed: ")
    if why.startswith("refusal"):
        return "There is no answer: the model refused. Reword the question, or use another engine."
    if why.startswith("HTTP 429"):
        return f"There is no answer: the service has had too many requests. {why}. Wait a while, or raise Retries."
    return f"There is no answer: {why}."


def speed(answer: Answer) -> float | None:
    """Tokens a second after the first one; None where several texts were written, of which one is shown."""
    if {"sentences", "answers", "steps", "thoughts", "decisions"} & answer.detail.keys():
        return None
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
    facts += [f"{rate:,.0f} tokens/s" if rate >= 10 else f"{rate:.2g} tokens/s"] if (rate := speed(answer)) else []
    facts += [cards.count(answer.retries, "retry").replace("retrys", "retries")] if answer.retries else []
    if answer.cost_usd is not None:
        facts.append(f"cost {dollars(answer.cost_usd)}")
    elif answer.receipt and "base_url" in answer.receipt.settings:
        facts.append("cost unknown")
    return facts


def table(answers: list[Answer | None]) -> None:
    """The numbers of all answers, an engine a column."""
    first = next((answer for answer in answers if answer and answer.text), None)
    columns = [_numbers(answer, first) for answer in answers]
    heads = "".join(
        f'<th class="num">{MARK.format(charts.shade(charts.COLORS[i]))}Engine {i + 1}</th>' for i in range(len(answers))
    )
    rows = []
    for name in columns[0]:
        cells = "".join(f'<td class="num">{escape(column[name])}</td>' for column in columns)
        rows.append(f"<tr><td>{name}</td>{cells}</tr>")
    st.html(f'<div class="gw"><table class="gw-table wrap"><tr><th></th>{heads}</tr>{"".join(rows)}</table></div>')
    st.caption(
        "One after the other, each with the same question and passages. Prompt tokens that an engine reuses make its first "
        "token fast. Conclusion: words and cited passages, case and punctuation aside."
    )


def _numbers(answer: Answer | None, first: Answer | None) -> dict[str, str]:
    def number(value: float | None, text: str) -> str:
        return "\u2013" if value is None else text.format(value)

    done = answer is not None and bool(answer.text)
    ran = answer if done else None
    conclusions = [conclusion(each.text, each.hits, each.citations) for each in (answer, first)] if done else ()
    return {
        "Ended": ending(answer) if answer else "not finished",
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
        if answer is first
        else "the same"
        if conclusions[0] == conclusions[1]
        else "another",
    }
