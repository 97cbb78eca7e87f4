import re
from collections.abc import Generator
from pathlib import Path
from typing import Literal, NamedTuple

from core.corpus.assemble import assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source, clean
from core.errors import WorkbenchError
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part

UNANSWERED = "CANNOTANSWER"  # QuAC's word for it


class Turn(NamedTuple):
    """A question in its conversation, and what a person made of it so that it stands alone."""

    dialog: str
    number: int
    history: tuple[str, ...]  # the article's title, the section's, then questions and answers by turns
    question: str
    rewrite: str


@part("loader")
class Canard(Loader):
    """Conversations about sections of Wikipedia in CANARD's JSON, one list a file.

    A document is a conversation: the section's titles and the answers, which are words of the section. A question carries
    what was said before it, and its evidence is its own answer, which is known where a later question follows. Choose it to
    see whether questions that follow others are found. People's rewrites are read by `python -m core rewrites`.
    Source: Elgohary et al. 2019, Can You Unpack That? Learning to Rewrite Questions-in-Context.
    """

    part: Literal["canard"] = "canard"

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        notes = Notes()
        dialogs: dict[str, list[Turn]] = {}
        yield Progress(0, 0, "Reading conversations")
        for turn in turns(path, notes):
            dialogs.setdefault(turn.dialog, []).append(turn)
        documents, queries = [], []
        for dialog, some in dialogs.items():
            some = sorted(some, key=lambda turn: turn.number)
            document, spoken = _document(dialog, some)
            documents.append(document)
            for turn, later in zip(some, [*some[1:], None], strict=True):
                place = spoken.get(len(turn.history) + 1) if later else None
                told = later.history[len(turn.history) + 1] if place else ""
                answerable = told != UNANSWERED
                gold = (Gold(dialog, *place),) if place and answerable else ()
                answers = (told,) if gold else ()
                queries.append(Query(f"{dialog}#{turn.number}", turn.question, gold, answers, answerable, "", turn.history))
        return assemble(name, documents, queries, notes)


def turns(path: Path, notes: Notes) -> list[Turn]:
    """Every question with its conversation and its rewrite. What has another form is skipped and noted."""
    source, entries = Source(path, notes), []
    for name in [file for file in sorted(source.sizes) if re.search(r"\.json(\.gz)?$", file)]:
        value = source.json(name, object)
        entries += value if isinstance(value, list) else []
    read = []
    for number, entry in enumerate(entries, 1):
        try:
            texts = [entry["QuAC_dialog_id"], entry["Question"], entry["Rewrite"], *entry["History"]]
            if not all(isinstance(text, str) and text.strip() for text in texts[:3]) or not isinstance(entry["History"], list):
                raise TypeError
            dialog, question, rewrite, *history = [clean(str(text)).strip() for text in texts]
            read.append(Turn(dialog, int(entry["Question_no"]), tuple(history), question, rewrite))
        except (KeyError, TypeError, ValueError):
            notes.add("Entry is no question with history and rewrite, skipped", f"{path.name}:{number}")
    if not read:
        raise WorkbenchError(
            "There are no questions with their conversations in it.",
            where=str(path),
            todo="CANARD's files are lists of objects with History, QuAC_dialog_id, Question, Question_no and Rewrite.",
        )
    return read


def _document(dialog: str, some: list[Turn]) -> tuple[Document, dict[int, tuple[int, int]]]:
    """The conversation's answers as a text, and where each stands, by its place in the history."""
    longest = max((turn.history for turn in some), key=len)
    text, spoken = "\n".join(longest[:2]), {}
    for place in range(3, len(longest), 2):
        if longest[place] != UNANSWERED:
            text += "\n\n"
            spoken[place] = len(text), len(text) + len(longest[place])
            text += longest[place]
        else:
            spoken[place] = 0, 0
    return Document(dialog, text or dialog, longest[0] if longest else dialog), spoken
