"""Replies in OpenAI's form of a chat, whole or as the events of a stream."""

import json
from collections.abc import AsyncGenerator
from typing import Any

from core.errors import WorkbenchError
from core.serving.admission import OPENAI, Refusal, failure
from core.serving.service import Again, Reply


def completion(about: dict[str, Any], made: Reply) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": said(made)}, "finish_reason": reason(made)}
    return {**about, "object": "chat.completion", "choices": [choice], "usage": usage(made), "groundwork": made}


async def chunks(
    about: dict[str, Any], first: Any, steps: AsyncGenerator[Any, None], counts: bool = False
) -> AsyncGenerator[str, None]:
    """The events of a chat that is streamed. Text that no longer counts stands before that of the next way. counts: the last of them
    tells the tokens, as `stream_options.include_usage` asks."""

    def event(choices: list[dict[str, Any]], **others: Any) -> str:
        told = {**about, "object": "chat.completion.chunk", "choices": choices} | ({"usage": None} if counts else {})
        return f"data: {json.dumps(told | others)}\n\n"

    def chunk(delta: dict[str, Any], end: str | None = None, **others: Any) -> str:
        nonlocal role
        delta, role = role | delta, {}
        return event([{"index": 0, "delta": delta, "finish_reason": end}], **others)

    def told(step: Any) -> str:
        nonlocal written
        if isinstance(step, str):
            written += step
            return chunk({"content": step})
        if isinstance(step, Again):
            written = ""
            return chunk({"content": "\n\n"})
        rest = "" if written.strip() else said(step)
        last = chunk({"content": rest} if rest else {}, reason(step), groundwork=step)
        return last + event([], usage=usage(step)) * counts

    written, role = "", {"role": "assistant"}  # whose the message is stands in its first piece alone
    try:
        yield told(first)
        async for step in steps:
            yield told(step)
        yield "data: [DONE]\n\n"
    except (Refusal, WorkbenchError, OSError) as error:
        status = error.status if isinstance(error, Refusal) else 503
        yield f"data: {json.dumps(failure(OPENAI, status, str(error)))}\n\n"
    finally:
        await steps.aclose()


def said(made: Reply) -> str:
    """A reply as the text of a chat: without an answer the passages are it."""
    return made["answer"] or "\n\n".join(f"[{each['number']}] {each['text']}" for each in made["passages"])


def reason(made: Reply) -> str:
    """Why it ended, in OpenAI's words."""
    return "length" if made["finish_reason"] in ("length", "deadline") else "stop"


def usage(made: Reply) -> dict[str, int] | None:
    """None where the engine does not count its tokens."""
    prompt, answer = (made.get("tokens") or {"prompt": 0, "answer": 0}).values()
    told = {"prompt_tokens": prompt, "completion_tokens": answer}
    return None if None in told.values() else told | {"total_tokens": prompt + answer}
