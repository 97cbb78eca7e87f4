"""QAGS: is each sentence of a summary supported by its article? Three people a sentence said yes or no.

Wang, Cho and Lewis 2020, "Asking and answering questions to evaluate the factual consistency of summaries", section 4.1
(arXiv:2004.04228). The file is `mturk_cnndm.jsonl`: article, and for each summary sentence the workers' responses.
"""

from collections import defaultdict
from pathlib import Path

from core import files
from core.annotation.drawing import clean
from core.annotation.formats.exchange import Problems
from core.annotation.labels import Label
from core.annotation.rubric import Category, Rubric
from core.annotation.study import Item, Passage, Response, Study
from core.config import fingerprint, valid
from core.errors import WorkbenchError
from core.files import read_json

RUBRIC = Rubric(
    labels=(
        Category(name="yes", title="Supported", key="1", meaning="The article supports the sentence."),
        Category(name="no", title="Not supported", key="2", meaning="The article does not support the sentence."),
    ),
    guidelines="The instructions of QAGS: decide whether each sentence of the summary is supported by the article.",
)


FORM = "A line holds article and summary_sentences with their responses."


def read(path: Path, study_id: str = "qags") -> tuple[Study, list[Label], Problems]:
    """The file as a finished study with its labels."""
    items, labels, wrong, people = [], [], Problems(str(path)), defaultdict(list)
    with files.regular(path).open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                item, votes = _summary(read_json(line, "The line", of=dict), number, study_id)
            except (WorkbenchError, ValueError, KeyError, TypeError, AttributeError) as error:
                why = error.what if isinstance(error, WorkbenchError) else f"{type(error).__name__} {error}."
                wrong.add(number, f"This is no summary of QAGS: {why}", FORM)
                continue
            items.append(item)
            labels += votes
            for label in votes:
                people[label.annotator].append(label.item)
    question = "Are the sentences of machine-written summaries supported by their articles?"
    study = valid(
        Study,
        {
            "id": study_id,
            "title": "QAGS",
            "question": question,
            "rubrics": (RUBRIC,),
            "ask": ("sentences",),
            "annotators": tuple(people),
            "per_item": min(3, len(people)) or 1,
            "items": tuple(items),
            "elsewhere": people,
        },
    )
    return study, labels, wrong


def _summary(record: dict, number: int, study: str) -> tuple[Item, list[Label]]:
    text, bounds = "", []
    answers: dict[str, list[str | None]] = defaultdict(lambda: [None] * len(record["summary_sentences"]))
    for place, sentence in enumerate(record["summary_sentences"]):
        text += " " if text else ""
        start = len(text)
        text += clean(sentence["sentence"]).strip() or "-"
        bounds.append((start, len(text)))
        for response in sentence["responses"]:
            who = f"worker {response['worker_id']}"
            if response["response"] not in ("yes", "no"):
                raise ValueError(f"'{response['response']}' is neither yes nor no")
            if answers[who][place] is not None:
                raise ValueError(f"{who} answers twice for one sentence")
            answers[who][place] = response["response"]
    if not bounds:
        raise ValueError("it has no sentences")
    article = clean(record["article"])
    passage = Passage(document_id=f"article-{number}", end=len(article), text=article)
    response = Response(source=f"line {number}", system="summariser", text=text, sentences=tuple(bounds), passages=(passage,))
    item = Item(id=fingerprint(number, text)[:12], question="Summary of the article", responses=(response,), round="main")
    return item, [
        Label(study=study, round="main", item=item.id, annotator=who, sentences=(tuple(names),), helpful=(None,), order=(0,))
        for who, names in answers.items()
    ]
