import html
import re
from collections.abc import Generator, Iterator
from pathlib import Path, PurePosixPath
from typing import Literal

from core.config import knob
from core.corpus.assemble import assemble
from core.corpus.beir import judgements
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source, text_of
from core.corpus.tables import rows
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part

BLOCK = re.compile(r"<doc(?:\s[^>]*)?>(.*?)</doc>", re.I | re.S)
TOPIC = re.compile(r"<(?:top|topic)\b([^>]*)>(.*?)</(?:top|topic)>", re.I | re.S)
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".zip")
NAMES = "Set documents, topics and qrels to the names of your files."
LEFT_OUT = ("docno", "docid", "title", "author", "bib")  # of a document's text; a title is put in front


@part("loader")
class Trec(Loader):
    """A TREC collection: documents as TREC SGML (<DOC><DOCNO>…), JSONL or HTML, topics, and qrels of four columns.

    Documents may stand in an archive (zip, tar) within the folder; a file of HTML is a document. Topics may be classic
    (<top><num>…<title>…), XML (<topic number="1"><query>…), <DOC><DOCNO>… or two columns. The three are found by name patterns
    below the folder. Choose it for TREC tracks and test collections older than BEIR.
    Source: Voorhees and Harman 2005, TREC: Experiment and Evaluation in Information Retrieval.
    """

    part: Literal["trec"] = "trec"
    documents: str = knob("doc*", "Name pattern of the document files.")
    topics: str = knob("topics*", "Name pattern of the topic files.")
    qrels: str = knob("qrels*", "Name pattern of the judgement files.")
    topic_numbers: Literal["given", "counted"] = knob(
        "given", "How the judgements name topics: by the number given there, or by counting them from 1 (Cranfield)."
    )

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        source = Source(path, Notes())
        files = source.needed(self.documents, todo=NAMES)
        documents = []
        for done, member in enumerate(files):
            yield Progress(done, len(files), f"Reading {PurePosixPath(member).name}")
            if member.endswith(ARCHIVES) and source.path.is_dir():
                inner = Source(source.path / member, source.notes)
                documents += (document for name_ in inner.find("*") for document in _documents(inner, name_))
            else:
                documents += _documents(source, member)
        judged = judgements(source, source.needed(self.qrels, todo=NAMES), asked_as=_number)
        _mend(judged, {document.id for document in documents}, source.notes)
        queries, first = [], {}
        for member in source.needed(self.topics, todo=NAMES):
            for position, (identity, text) in enumerate(_topics(source, member), 1):
                key, where = (
                    str(position) if self.topic_numbers == "counted" else _number(identity),
                    f"{member}, topic {position}",
                )
                if key in first:
                    source.notes.add("Topic with the number of another left out", f"{identity}: {first[key]}; {where}")
                elif key in judged:
                    first[key] = where
                    queries.append(Query(identity, text, tuple(judged[key])))
                else:
                    source.notes.add("Topic without judgements left out", identity)
        for identity in (identity for identity in judged if identity not in first):
            source.notes.add("Judgements of an unknown topic left out", identity)
        return assemble(name, documents, queries, source.notes)


def _mend(judged: dict[str, list[Gold]], documents: set[str], notes: Notes) -> None:
    """Judgements of CACM-756 where the document is CACM-0756."""
    padded = {re.sub(r"(?<!\d)0+(?=\d)", "", document): document for document in documents}
    for query, golds in judged.items():
        mended: dict[str, Gold] = {}  # judged under both names: the last one holds
        for gold in golds:
            document = gold.document_id if gold.document_id in documents else padded.get(gold.document_id, gold.document_id)
            if document != gold.document_id:
                notes.add("Judgement of a document whose number is written with zeros in front", f"{query} > {gold.document_id}")
            mended[document] = gold._replace(document_id=document)
        judged[query] = [gold._replace(unit=unit) for unit, gold in enumerate(mended.values())]


def _number(identity: str) -> str:
    return identity.lstrip("0") or "0"  # topics write 051 where qrels write 51


def _documents(source: Source, name: str) -> Iterator[Document]:
    if ".jsonl" in name:
        for row in rows(source, name):
            title = text_of(row.fields, "title").strip()
            text = text_of(row.fields, "text", "contents", "body", "abstract")
            identity = text_of(row.fields, "docno", "id", "_id", "docid") or row.where
            yield Document(identity, f"{title}\n\n{text}" if title else text, title, name)
        return
    text = source.text(name)
    if not (blocks := BLOCK.findall(text)) and PurePosixPath(name).suffix.lower() in (".html", ".htm"):
        title = _tag(text, "title") or next(filter(str.strip, _paragraphs(_tag(text, "body") or _tag(text, "pre") or text)), "")
        yield Document(PurePosixPath(name).stem, "\n".join(filter(None, map(_plain, _paragraphs(text)))), _plain(title), name)
    for block in blocks:
        title = _plain(_tag(block, "title") or _tag(block, "headline"))
        body = re.sub("|".join(rf"<{tag}\b.*?</{tag}>" for tag in LEFT_OUT), "", block, flags=re.I | re.S)
        text = "\n".join(filter(None, map(_plain, _paragraphs(body))))
        identity = _tag(block, "docno").strip()
        if identity:
            if title and not text.startswith(title):  # Cranfield's texts repeat it
                text = f"{title}\n\n{text}"
            yield Document(identity, text, title, name)
        else:
            source.notes.add("Document without DOCNO left out", PurePosixPath(name).name)


def _topics(source: Source, name: str) -> Iterator[tuple[str, str]]:
    text = source.text(name)
    blocks = TOPIC.findall(text)
    for attributes, block in blocks:
        number = re.search(r'number\s*=\s*"?([\w.-]+)', attributes)
        number = number or re.search(r"<num>\s*(?:Number:)?\s*([\w.-]+)", block, re.I)
        title = re.search(r"<(?:title|query)>\s*(?:Topic:)?\s*(.*?)\s*(?=<[/!a-z]|\Z)", block, re.I | re.S)
        if number and title and title[1]:
            yield number[1], _plain(title[1])
        else:
            source.notes.add("Topic without number or title left out", PurePosixPath(name).name)
    listed = [] if blocks else BLOCK.findall(text)
    for block in listed:
        yield _tag(block, "docno").strip(), _plain(re.sub(r"<docno\b.*?</docno>", "", block, flags=re.I | re.S))
    for number, line in enumerate(() if blocks or listed else text.splitlines(), 1):
        identity, _, question = line.partition("\t")
        if question.strip():
            yield identity.strip(), question.strip()
        elif line.strip():
            source.notes.add("Topic line without a tab left out", f"{PurePosixPath(name).name}:{number}")


def _paragraphs(text: str) -> list[str]:
    return re.split(r"\n\s*\n|</?p>", text, flags=re.I)


def _tag(block: str, tag: str) -> str:
    match = re.search(rf"<{tag}\b[^>]*>(.*?)</{tag}>", block, re.I | re.S)
    return match[1] if match else ""


def _plain(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"</?[a-zA-Z][^>]*>", " ", text)).split())
