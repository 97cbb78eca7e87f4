"""One question of stored trials to be read: the passages that each ranked first, from what is recorded. Nothing is searched again."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from core.errors import WorkbenchError
from core.labs.trials.comparison import Trial, recipe
from core.records import Document, Gold, Hit, Progress
from core.workbench import Workbench


class QuestionRead(NamedTuple):
    """note: why passages have no text."""

    question: str
    references: tuple[str, ...]
    gold: tuple[Gold, ...]
    found: list[list[Hit]]  # of each trial its first k passages; without text where the documents are not those of the trial
    note: str = ""


def read_question(workbench: Workbench, trials: Sequence[Trial], question: str) -> Generator[Progress, None, QuestionRead]:
    """Of trials of one group, by the question's id."""
    queries = workbench.store.questions(trials[0].questions)["queries"]
    asked = next((query for query in queries if query["id"] == question), None)
    if asked is None:
        raise WorkbenchError(f"There is no question '{question}' in this set.", todo="Choose one of the table.")
    documents, note = yield from _documents(workbench, trials[0])
    rows = workbench.store.query(
        """SELECT trial_id, rank, document_id, start_char, end_char, score FROM hits
           WHERE query_id = ? AND trial_id IN (SELECT unnest(?::VARCHAR[])) AND rank <= ? ORDER BY rank""",
        [question, [trial.id for trial in trials], trials[0].k],
    )
    ranked: dict[str, list[Hit]] = {trial.id: [] for trial in trials}
    for row in rows:
        document, start, end = documents.get(row["document_id"]), row["start_char"], row["end_char"]
        title, text = (document.title or document.id, document.text[start:end]) if document else (row["document_id"], "")
        ranked[row["trial_id"]].append(Hit(row["rank"], row["score"], row["document_id"], title, start, end, text))
    gold = tuple(Gold(*each) for each in asked["gold"])
    return QuestionRead(asked["text"], tuple(asked["answers"]), gold, list(ranked.values()), note)


def _documents(workbench: Workbench, trial: Trial) -> Generator[Progress, None, tuple[dict[str, Document], str]]:
    """Id -> document, as long as they are those that the trial searched."""
    try:
        corpus = yield from workbench.read_corpus(recipe(trial))
    except WorkbenchError as error:  # it was removed, or another version stored the recipe
        return {}, f"The passages' texts cannot be read. {error.what}"
    if corpus.fingerprint != trial.corpus:
        return {}, "The documents have changed since these trials, so their passages are shown by place only."
    return {document.id: document for document in corpus.documents}, ""
