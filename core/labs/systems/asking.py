"""A system is asked the questions of a corpus that recipes answer, each once; what it says is recorded as it said it."""

import time
from collections.abc import Generator, Iterable
from typing import Any, NamedTuple

import numpy as np

from core.config import fingerprint
from core.errors import WorkbenchError
from core.generation.model_texts import TRIES
from core.generation.remote import Fault
from core.labs.answers.answering import FIRST, drawn
from core.labs.systems.over_http import HttpSystem
from core.labs.systems.replies import SystemPassage, SystemReply, called
from core.pipeline.forecast import Forecast, one_phase
from core.pipeline.speed import Estimate
from core.pipeline.stages import Recipe
from core.progress import counted, within
from core.records import Corpus, Progress, Query, plain
from core.store.batches import batches
from core.workbench import Workbench

KIND = "system_answers"  # of the records
LONGEST = 80  # characters of a name
KEEP_S = 5.0  # a killed process loses no more than what came in so long
PYTHON = {"speaks": "python"}


class SystemTake(NamedTuple):
    """What a system said to a question the last time that it was asked. take: how often that was."""

    take: int
    reply: SystemReply
    how: dict[str, Any]


class SystemQuestion(NamedTuple):
    """What is asked now."""

    text: str
    take: int


class SystemAsked(NamedTuple):
    """What came of asking. now: questions of this run; seconds: median of a question."""

    system: str
    dataset: str
    questions: int
    answered: int
    now: int
    seconds: float | None


def check_name(system: str) -> None:
    """WorkbenchError: a system cannot be called so, or not on the command line."""
    if not system.strip() or len(system) > LONGEST or not system.isprintable() or system.startswith("-"):
        todo = "Take another one, which does not begin with -."
        raise WorkbenchError(
            f"A system has a name of one line, of up to {LONGEST} characters.", where=system[:LONGEST], todo=todo
        )


def draw(corpus: Corpus, seed: int, count: int) -> list[Query]:
    """The questions that a system is asked: those that recipes are."""
    if not (rows := drawn(corpus.queries, seed, count)):
        raise WorkbenchError(f"'{corpus.name}' has no questions.", todo="Add a questions file on the page Corpus.")
    return [corpus.queries[row] for row in rows]


def takes(workbench: Workbench, system: str, dataset: str, questions: Iterable[str]) -> dict[str, SystemTake]:
    """Question -> its last take, of those that the system was asked."""
    last: dict[str, SystemTake] = {}
    texts, number, store = list(questions), 1, batches(workbench.home)
    while values := store.read(KIND, keys := {_key(system, dataset, text, number): text for text in texts}):
        last |= {keys[key]: SystemTake(number, _reply(value), value["how"]) for key, value in values.items()}
        number += 1
    return last


def systems(workbench: Workbench, dataset: str) -> dict[str, int]:
    """System -> how many questions of the corpus it was asked, the latest first."""
    rows = workbench.store.query(
        f"""SELECT system, count(DISTINCT question) AS asked FROM {KIND} WHERE dataset = ?
            GROUP BY system ORDER BY max(id) DESC""",
        [dataset],
    )
    return {row["system"]: row["asked"] for row in rows}


def cost(workbench: Workbench, system: str, corpus: Corpus, seed: int, count: int, again: bool = False) -> Forecast | None:
    """What asking takes, by how long it took before; None: it was asked all of them."""
    texts = {query.text for query in draw(corpus, seed, count)}
    last = takes(workbench, system, corpus.name, texts)
    if not (left := len(texts) if again else len(texts - last.keys())):
        return None
    seconds = [each.reply.seconds for each in last.values()]
    quarters = np.quantile(seconds, (0.25, 0.75)) if seconds else None
    seconds = None if quarters is None else Estimate(*(left * quarters).tolist())
    return one_phase(counted(left, "question"), seconds, units=left, like=system)


def ask_system(
    workbench: Workbench, recipe: Recipe, system: str, asks: Any, count: int = FIRST, again: bool = False
) -> Generator[Progress, None, SystemAsked]:
    """Asks what it was not asked yet of the first `count` questions drawn; again: all of them once more.

    system: what people call it. asks: a callable `(question) -> answer, passages`, a retriever, or an `HttpSystem`. A question that
    fails is left for the next time; after three in a row no more is asked. WorkbenchError where any is left.
    """
    check_name(system)
    run = yield from workbench.pipeline.resolve(recipe)
    queries, dataset = draw(run.corpus, run.config.seed, count), run.corpus.name
    how = plain(asks.how) if isinstance(asks, HttpSystem) else PYTHON
    texts = list(dict.fromkeys(query.text for query in queries))
    last = takes(workbench, system, dataset, texts)
    if not again and any(each.how != how for each in last.values()):
        raise WorkbenchError(
            f"'{system}' was asked in another way before: another address, body or mapping.",
            where=system,
            todo="Give this one another name, or ask all of it again (--again).",
        )
    asked = [SystemQuestion(text, last[text].take + 1 if text in last else 1) for text in texts if again or text not in last]
    left = {_key(system, dataset, *each): each for each in asked}
    yield from _asked(workbench, {"system": system, "dataset": dataset}, how, asks, left)
    now = takes(workbench, system, dataset, texts)
    seconds = [each.reply.seconds for each in now.values()]
    return SystemAsked(system, dataset, len(texts), len(now), len(left), float(np.median(seconds)) if seconds else None)


def _asked(
    workbench: Workbench, about: dict[str, str], how: dict[str, Any], asks: Any, left: dict[str, SystemQuestion]
) -> Generator[Progress, None, None]:
    """left: key of the record -> what is asked."""
    fresh: dict[str, dict[str, Any]] = {}
    faults: list[Fault] = []
    in_a_row, tried, saved = 0, 0, time.monotonic()

    def keep() -> None:
        batches(workbench.home).keep(KIND, fresh, **about)
        fresh.clear()

    try:
        for key, each in left.items():
            yield (step := Progress(tried, len(left), each.text))
            tried += 1
            try:
                reply = yield from _said(asks, each.text, step)
            except Fault as fault:
                faults.append(fault)
                in_a_row += 1
                if in_a_row == TRIES:
                    break
                continue
            in_a_row = 0
            fresh[key] = {"question": each.text, "take": each.take, "how": how, **plain(reply)}
            if time.monotonic() - saved > KEEP_S:
                keep()
                saved = time.monotonic()
    finally:  # also when cancelled
        keep()
    if faults:
        raise WorkbenchError(
            f"{about['system']} did not answer {len(faults):,} of {counted(tried, 'question')}: {faults[-1].why.rstrip('.')}.",
            where=asks.url if isinstance(asks, HttpSystem) else about["system"],
            todo=f"{faults[-1].todo} What it answered is recorded: start it again, and only the rest is asked.".strip(),
        )


def _said(asks: Any, text: str, step: Progress) -> Generator[Progress, None, SystemReply]:
    if isinstance(asks, HttpSystem):
        return (yield from within(asks.ask(text), step))
    try:
        return called(asks, text)
    except WorkbenchError:
        raise
    except Exception as error:  # of whatever library
        raise Fault(f"{type(error).__name__}: {error}") from error


def _key(system: str, dataset: str, question: str, take: int) -> str:
    return fingerprint(system, dataset, question, take)


def _reply(value: dict[str, Any]) -> SystemReply:
    told = value["passages"]
    return SystemReply(value["answer"], told if told is None else tuple(SystemPassage(**each) for each in told), value["seconds"])
