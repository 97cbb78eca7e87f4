"""The prompt of retrieval-augmented generation: fixed instructions first, marked passages, then the question.

In this order two questions on the same passages share their start, which the engine then need not read again.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from string import Template
from typing import NamedTuple

from core.config import ContextConfig
from core.context.citations import marks, plain
from core.context.passages import Compression, copies_note, counted, distinct, grown, ordered
from core.context.surroundings import Surroundings
from core.context.template import BUILT_IN, filled
from core.errors import TOO_LONG, PromptTooLong
from core.records import Hit

UNKNOWN = "I don't know."
# Of nine wordings tried with the bundled model this one is the best behaved: all in the user's turn (with a system
# message of ours the model repeats itself until it is cut), and the task said once more behind the question.
INSTRUCTIONS = f"Answer from the numbered passages only and cite them, like [1]. If they do not hold the answer, say: {UNKNOWN}"
REMINDERS = {  # by the length of an answer
    "few_words": "Answer the question in a few words from the passages above.",
    "sentence": "Answer the question in one sentence from the passages above.",
}
BEYOND = "the model's window does not hold"
_UNKNOWN = re.compile(r"\bi (?:dont|do not) know\b")
CITING = re.compile(r"\bcit(?:e|ed|es|ing|ations?)\b", re.IGNORECASE)
Message = dict[str, str]  # {"role", "content"}


class Prompt(NamedTuple):
    messages: list[Message]
    used: tuple[Hit, ...]  # passage n is used[n - 1]
    left_out: tuple[Hit, ...]  # chunks that did not fit
    passage_tokens: int
    notes: tuple[str, ...] = ()  # what of the ranking the model was not given, and why


def asks_to_cite(context: ContextConfig) -> bool:
    """Whether the prompt asks for citations, as far as its words tell."""
    template = context.template or BUILT_IN["template"]
    return "$instructions" in template or bool(CITING.search(template))


def reads_titles(context: ContextConfig) -> bool:
    """Whether a prompt holds more of a document than its id and text: its title, or the page of a passage."""
    told = {name for kind in BUILT_IN for name in Template(getattr(context, kind)).get_identifiers()}
    return context.citations == "titles" or not told.isdisjoint(("title", "titles", "page"))


def says_unknown(text: str, begins: bool = False) -> bool:
    """Whether a text says that it does not know. begins: with that."""
    return bool((_UNKNOWN.match if begins else _UNKNOWN.search)(bare_words(text)))


def bare_words(text: str) -> str:
    """In lower case, with single spaces and without punctuation: a typographic apostrophe makes no other word."""
    return " ".join(re.sub(r"[^\w\s]", "", text.casefold()).split())


def build(
    question: str,
    hits: Sequence[Hit],
    context: ContextConfig,
    count_tokens: Callable[[str], int],
    source: Surroundings | None = None,
    holds: Callable[[list[Message]], bool] = lambda messages: True,
    first: int = 1,
) -> Prompt:
    """The prompt over the first `context.passages` hits; where `context.max_tokens` is short, the last are left out.

    source: the documents, for passages that grow and for the encoder. holds: whether the model's window holds the messages
    and an answer; where it does not, passages are cut, the last first, and the prompt says so. first: the first's number.
    """
    chosen, copies = distinct(hits, context)
    compressed, size = Compression(question, chosen, context, source), cache(count_tokens)

    def sized(passages: Sequence[Hit]) -> int:
        return sum(size(f"{block}\n\n") for block in _blocks([compressed(hit) for hit in passages], context, first))

    passages, short = grown(chosen, context, source, lambda trial: sized(trial) <= context.max_tokens)
    if chosen and not passages:
        raise PromptTooLong(
            f"{TOO_LONG}has room for {context.max_tokens:,} tokens, and the best passage alone has {sized(chosen[:1]):,}.",
            where=chosen[0].document_id,
            todo="Raise context.max_tokens, or cut the documents into smaller chunks.",
        )
    cut = 0
    while True:
        placed = ordered(passages, context.order)
        used = [compressed(hit) for hit in placed]
        messages = written(question, used, context, first)
        # numbers and titles follow the order, and may take a token more than they did before
        roomy = sized(placed) <= context.max_tokens
        if len(passages) < 2 or (roomy and holds(messages)):
            break
        passages, cut = passages[:-1], cut + roomy
    left_out = tuple(hit for hit in chosen if not any(within(hit, passage) for passage in passages))
    notes = [
        *copies_note(copies),
        short and f"{counted(len(short), 'chunk')} left out: the passages have room for {context.max_tokens:,} tokens.",
        cut and f"{counted(cut, 'passage')} cut, the last first: {BEYOND} them and the answer.",
    ]
    return Prompt(messages, tuple(used), left_out, sized(placed), tuple(filter(None, notes)))


def written(question: str, passages: Sequence[Hit], context: ContextConfig, first: int = 1) -> list[Message]:
    """The messages over these passages, in this order."""
    names = marks(context.citations, passages, first)
    mark, titles = (names or ["[1]"])[0], [plain(hit.title or hit.document_id, context.citations) for hit in passages]
    instructions = INSTRUCTIONS.replace("[1]", mark)
    values = {
        "instructions": instructions.replace("numbered ", "") if context.citations == "titles" else instructions,
        "passages": "\n\n".join(_blocks(passages, context, first)),
        "question": plain(question, context.citations),
        "reminder": REMINDERS[context.length],
        "title": (titles or [""])[0],
        "titles": "; ".join(dict.fromkeys(titles)),
        "n": str(len(passages)),
        "mark": mark,
        "unknown": UNKNOWN,
    }
    content = filled("template", context.template, values)
    return [{"role": "user", "content": content if passages else content.replace("\n\n\n\n", "\n\n", 1)}]


def _blocks(passages: Sequence[Hit], context: ContextConfig, first: int) -> list[str]:
    """Each passage as the prompt has it."""
    style = context.citations
    return [
        filled(
            "passage",
            context.passage,
            {
                "mark": mark,
                "n": str(number),
                "text": plain(hit.shown, style),
                "title": plain(hit.title, style),
                "document": plain(hit.document_id, style),
                "page": "" if hit.page is None else str(hit.page),
            },
        )
        for number, (hit, mark) in enumerate(zip(passages, marks(style, passages, first), strict=True), first)
    ]


def within(hit: Hit, passage: Hit) -> bool:
    """Whether a chunk lies in a passage."""
    return hit.document_id == passage.document_id and passage.start <= hit.start and hit.end <= passage.end


def reading_order(prompts: list[list[Message]]) -> list[int]:
    """Numbers of the prompts, those that share most of their start next to each other: the engine reads it once."""
    return sorted(range(len(prompts)), key=lambda i: [(m["role"], m["content"]) for m in prompts[i]])
