"""The prompt of retrieval-augmented generation: fixed instructions first, numbered passages, then the question.

In this order two questions on the same passages share their start, which the engine then need not read again.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

from core.config import ContextConfig
from core.errors import WorkbenchError
from core.records import Hit

UNKNOWN = "I don't know."
# Of nine wordings tried with the bundled model this one is the best behaved: all in the user's turn (with a system
# message of ours the model repeats itself until it is cut), and the task said once more behind the question.
INSTRUCTIONS = f"Answer from the numbered passages only and cite them, like [1]. If they do not hold the answer, say: {UNKNOWN}"
REMINDER = "Answer the question in one sentence from the passages above."
CITATION = re.compile(r"\[(\d+(?:, ?\d+)*)\]")


class Prompt(NamedTuple):
    messages: list[dict[str, str]]  # {"role", "content"}
    used: tuple[Hit, ...]  # passage n is used[n - 1]
    left_out: tuple[Hit, ...]  # did not fit
    passage_tokens: int


def build(question: str, hits: list[Hit], context: ContextConfig, count_tokens: Callable[[str], int]) -> Prompt:
    """The prompt over the first `context.passages` hits; where `context.max_tokens` is short, the last are left out."""
    chosen, passages, total = hits[: context.passages], [], 0
    for number, hit in enumerate(chosen, 1):
        passage = f"[{number}] {plain(hit.text)}\n\n"
        size = count_tokens(passage)
        if total + size > context.max_tokens:
            break
        passages.append(passage)
        total += size
    if chosen and not passages:
        raise WorkbenchError(
            f"The best passage alone has {size:,} tokens, and the prompt has room for {context.max_tokens:,}.",
            where=chosen[0].document_id,
            todo="Raise context.max_tokens, or cut the documents into smaller chunks.",
        )
    content = f"{INSTRUCTIONS}\n\n{''.join(passages)}Question: {plain(question)}\n{REMINDER}"
    messages = [{"role": "user", "content": content}]
    return Prompt(messages, tuple(chosen[: len(passages)]), tuple(chosen[len(passages) :]), total)


def reading_order(prompts: list[list[dict[str, str]]]) -> list[int]:
    """Numbers of the prompts, those that share most of their start next to each other: the engine reads it once."""
    return sorted(range(len(prompts)), key=lambda i: [(m["role"], m["content"]) for m in prompts[i]])


def plain(text: str) -> str:
    """Text that can pose neither as another numbered passage nor as a mark of a chat template such as <|im_end|>.

    A space is all that is added, so that code such as a[1] keeps its meaning. The llama.cpp engine also reads contents
    without any special token, whatever marks its model has; other engines may not.
    """
    return CITATION.sub(r"[ \1 ]", text).replace("<|", "< |").strip()


def cited(text: str, passages: int) -> tuple[int, ...]:
    """Numbers of the passages that the text itself cites, ascending; numbers that were not given are left out."""
    numbers = {int(n) for match in CITATION.findall(text) for n in match.split(",")}
    return tuple(sorted(n for n in numbers if 1 <= n <= passages))
