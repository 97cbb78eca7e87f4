"""A person decides where the gate does not, and what is let out is published: each claim looked at once more, with its sources."""

import hashlib
from collections.abc import Generator
from datetime import UTC, datetime
from html import escape
from pathlib import Path

from core import files
from core.articles.rating import draft_support, least_support
from core.articles.steps import DECISION, PUBLICATION, Article, keep_step, the_article
from core.config import build
from core.errors import WorkbenchError
from core.records import Corpus, Progress
from core.workbench import Workbench

MARKDOWN, HTML = "article.md", "article.html"
SAID = 500  # characters of a reason
MARKS = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>#|!"})  # that Markdown would read


def decide(workbench: Workbench, name: str, out: bool, who: str, why: str) -> Article:
    """A person lets the draft out, whatever the gate said, or sends it back; recorded with who and why."""
    made = the_article(workbench, name)
    if not who.strip() or not why.strip() or len(who) + len(why) > SAID:
        raise WorkbenchError("A decision needs a name and a reason.", where="decide", todo=f"Give both, in {SAID} characters.")
    if not made.gate or made.decision or made.publication:
        raise WorkbenchError(f"There is nothing to decide: the article is {made.state}.", where=name)
    if not out and not made.gate["wrong"]:
        raise WorkbenchError(
            "The gate names no sentence that could be written again.", where=name, todo="Let it out, or leave it."
        )
    value = {"out": out, "who": who.strip(), "why": why.strip(), "when": datetime.now(UTC).isoformat(timespec="seconds")}
    keep_step(workbench, name, len(made.steps), DECISION, value)
    decided = the_article(workbench, name)
    if decided.steps[len(made.steps)] != (DECISION, value):
        raise WorkbenchError("Somebody else decided first, so this decision does not count.", where=name)
    return decided


def publish(workbench: Workbench, name: str, folder: Path) -> Generator[Progress, None, Article]:
    """Markdown and HTML with numbered sources, in a new folder. Each sentence has its place in the corpus still, and is borne out by it;
    one that a person let out without that is marked."""
    made = the_article(workbench, name)
    if made.publication:
        raise WorkbenchError(f"It was published in {made.publication['folder']}.", where=name)
    if not made.may_be_published:
        raise WorkbenchError(
            f"The article is {made.state}.", where=name, todo="`articles write ID` continues it; `articles decide` accepts it."
        )
    folder = files.path_of(folder)
    corpus = yield from workbench.read_corpus(build(made.config))
    unsure = yield from _checked(workbench, made, corpus)
    pages = {MARKDOWN: markdown(made, unsure, corpus.name), HTML: html(made, unsure, corpus.name)}
    _put(folder, pages)
    value = {
        "folder": str(folder.absolute()),
        "unsure": sorted(unsure),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "sha256": {file: hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() for file, text in pages.items()},
    }
    keep_step(workbench, name, len(made.steps), PUBLICATION, value)
    out = the_article(workbench, name)
    if out.steps[len(made.steps)] != (PUBLICATION, value):
        what = "Somebody else decided on it or published it first, so what was written here is no publication."
        raise WorkbenchError(what, where=str(folder), todo=f"Look at it with `articles show {name}`.")
    return out


def _put(folder: Path, pages: dict[str, str]) -> None:
    """All of it or nothing. A folder that holds just these pages is the one of a publication that was killed before its record."""
    written = {file: text.encode("utf-8", "surrogatepass") for file, text in pages.items()}
    if folder.is_dir() and {path.name: path.is_file() and path.read_bytes() for path in folder.iterdir()} == written:
        return
    if folder.exists():
        raise WorkbenchError("There is something of this name.", where=str(folder), todo="Name a folder that is not there yet.")
    with files.disk_reported("The article", folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with files.made_whole(folder, "The article") as unfinished:
        unfinished.mkdir()
        for file, data in written.items():
            (unfinished / file).write_bytes(data)


def _checked(workbench: Workbench, made: Article, corpus: Corpus) -> Generator[Progress, None, set[int]]:
    """Sentences, from 0, that their evidence does not bear out, which only a person may have let out."""
    text_of = {document.id: document.text for document in corpus.documents}
    for note in made.evidence:
        if text_of.get(note.document_id, "")[note.start : note.end] != note.text:
            raise WorkbenchError(
                "The corpus changed: evidence of the article is no longer there.",
                where=note.document_id,
                todo="Write the article anew, with another seed.",
            )
    values = yield from draft_support(workbench, made)
    unsure = {place for place, value in enumerate(values.tolist()) if not value >= least_support()}
    if unsure and not made.decision:
        raise WorkbenchError(f"{len(unsure):,} sentences are not supported by their evidence.", where=made.id)
    return unsure


def sources(made: Article) -> list[int]:
    """Numbers of the notes that the article cites, in the order in which it does."""
    return list(dict.fromkeys(sentence.note for sentence in made.draft))


def paragraphs(made: Article) -> list[list[tuple[int, str, int]]]:
    """(place, text, number of its source) of each sentence; a paragraph a document."""
    numbers, told = {note: number for number, note in enumerate(sources(made), 1)}, list[list[tuple[int, str, int]]]()
    document = None
    for place, (sentence, note) in enumerate(zip(made.draft, made.evidence, strict=True)):
        if note.document_id != document:
            document = note.document_id
            told.append([])
        told[-1].append((place, sentence.text, numbers[sentence.note]))
    return told


def _source(made: Article, note: int) -> tuple[str, str]:
    """(where it stands, what is said there)."""
    it = made.notes[note - 1]
    page = "" if it.page is None else f", page {it.page}"
    title = f"{it.title} " if it.title and it.title != it.document_id else ""
    return f"{title}({it.document_id}{page}, characters {it.start} to {it.end})", " ".join(it.text.split())


def _ending(made: Article, corpus: str) -> str:
    by = f" Let out by {made.decision['who']}: {made.decision['why']}" if made.decision else ""
    return f"Article {made.id}, from the corpus {corpus}.{by}"


UNSURE = "not borne out by its source"


def markdown(made: Article, unsure: set[int], corpus: str) -> str:
    lines = [f"# {made.topic.translate(MARKS)}", ""]
    for some in paragraphs(made):
        said = (f"{text.translate(MARKS)} [{number}]{f' ({UNSURE})' * (place in unsure)}" for place, text, number in some)
        lines += [" ".join(said), ""]
    lines += ["## Sources", ""]
    for number, note in enumerate(sources(made), 1):
        place, words = _source(made, note)
        lines.append(f"{number}. {place.translate(MARKS)}: “{words.translate(MARKS)}”")
    return "\n".join([*lines, "", _ending(made, corpus).translate(MARKS), ""])


def html(made: Article, unsure: set[int], corpus: str) -> str:
    body = [f"<h1>{escape(made.topic)}</h1>"]
    for some in paragraphs(made):
        said = (
            f'{escape(text)} <a href="#source-{number}">[{number}]</a>{f" <em>({UNSURE})</em>" * (place in unsure)}'
            for place, text, number in some
        )
        body.append(f"<p>{' '.join(said)}</p>")
    body.append("<h2>Sources</h2><ol>")
    for number, note in enumerate(sources(made), 1):
        place, words = _source(made, note)
        body.append(f'<li id="source-{number}">{escape(place)}: “{escape(words)}”</li>')
    body.append(f"</ol><p>{escape(_ending(made, corpus))}</p>")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(made.topic)}</title></head><body>\n'
        + "\n".join(body)
        + "\n</body></html>\n"
    )
