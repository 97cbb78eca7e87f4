"""Corpora: what there is, what can be fetched, own documents, and the chunks they are cut into."""

from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from core.cli.frame import subject, verb
from core.cli.options import USUAL, RecipeOptions, Text, reference
from core.cli.tables import show_parts, show_table
from core.errors import WorkbenchError
from core.records import plain

subject("corpus", "Corpora: documents, questions, chunks; own files and downloads.")


@verb("datasets", show_table)
def datasets(workbench: Any) -> Any:
    """The corpora at hand and those to download."""
    return workbench.datasets()


@verb("download")
def download(workbench: Any, dataset: str, /) -> Any:
    """Fetch a data set from its publisher."""
    return workbench.library.download(dataset)


@verb("about")
def about(workbench: Any, *, recipe: RecipeOptions = USUAL) -> Any:
    """Where a corpus comes from, how much there is of it, and what was noted when it was read."""
    from core.labs.corpus import contents as lab

    return lab.about(workbench, (yield from workbench.read_corpus(recipe.read())))


@verb("documents", show_table)
def documents(
    workbench: Any,
    *,
    find: Annotated[Text, Parameter(help="Words of a title or a text.")] = "",
    source: Annotated[str | None, Parameter(help="Only of this source.")] = None,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """The documents of a corpus, with how many questions have their evidence in each."""
    from core.labs.corpus import contents as lab

    corpus = yield from workbench.read_corpus(recipe.read())
    rows = lab.document_rows(corpus)
    return [rows[place] for place in lab.documents_with(corpus, find, source)]


@verb("document", show_parts)
def document(
    workbench: Any,
    name: Annotated[str, Parameter(help="Its id, as `corpus documents` lists it.")],
    /,
    *,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """A document with the evidence in it."""
    from core.labs.corpus import contents as lab

    corpus = yield from workbench.read_corpus(recipe.read())
    text = lab.document_of(corpus, name).text
    return {"document": name, "text": text, "evidence": lab.evidence_rows(corpus, corpus.queries, name)}


@verb("questions", show_table)
def questions(
    workbench: Any,
    *,
    find: Annotated[Text, Parameter(help="Words of a question or an answer.")] = "",
    group: Annotated[str | None, Parameter(help="Only of this group.")] = None,
    kind: Annotated[Literal["answerable", "unanswerable"] | None, Parameter(help="Default: both.")] = None,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """The questions of a corpus, with their answers and how much evidence each has."""
    from core.labs.corpus import contents as lab

    rows = lab.question_rows((yield from workbench.read_corpus(recipe.read())))
    return [rows[place] for place in lab.questions_with(rows, find, group, None if kind is None else kind == "answerable")]


@verb("question", show_table)
def question(
    workbench: Any, name: Annotated[Text, Parameter(help="Its id or its text.")], /, *, recipe: RecipeOptions = USUAL
) -> Any:
    """The evidence of a question."""
    from core.labs.corpus import contents as lab

    corpus = yield from workbench.read_corpus(recipe.read())
    return lab.evidence_rows(corpus, [lab.question_of(corpus, name)])


@verb("files", show_table)
def files_of(workbench: Any, name: str, /) -> Any:
    """What became of each file of an own corpus."""
    from core.labs.corpus import contents as lab

    return lab.files(workbench, name)


@verb("remove")
def remove(
    workbench: Any,
    name: str,
    /,
    *,
    file: Annotated[Text | None, Parameter(help="Only this file (default: the whole corpus).")] = None,
) -> Any:
    """Remove an own corpus, or a file of it."""
    from core.labs.corpus import contents as lab

    if file == "":  # of a variable of the shell that is not set
        raise WorkbenchError("No file is named.", where="--file", todo="Name one; without --file the whole corpus is removed.")
    lab.remove(workbench, name, file or "")
    return f"Removed {file or name}."


@verb("ingest", show_table, healthy=lambda files: all(file["status"] != "failed" for file in files))
def ingest(
    workbench: Any,
    name: str,
    files: Annotated[
        tuple[Path, ...], Parameter(consume_multiple=(1, 1_000_000), help="None: the documents stay, and --questions are theirs.")
    ] = (),
    /,
    *,
    questions: Annotated[
        Path | None, Parameter(help="CSV, JSONL, SQuAD JSON, BEIR folder or one of its qrels; replaces all before.")
    ] = None,
) -> Any:
    """Make a corpus of own documents, or extend one."""
    if not files and questions is None:
        raise WorkbenchError("There is nothing to read.", where=name, todo="Give files of documents, or --questions.")
    if not files:
        workbench.library.files(name)  # says where there are no documents that they are asked of
    return workbench.library.ingest(name, list(files), questions)


@verb("chunks", show_parts)
def chunks(
    workbench: Any,
    *,
    against: Annotated[
        tuple[str, ...],
        Parameter(help="STAGE.FIELD=VALUE: also the recipe with this setting, and what only one cuts; repeatable."),
    ] = (),
    document: Annotated[str | None, Parameter(help="Id of a document whose chunks are listed too.")] = None,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """The corpus in the recipe's chunks: how many, how large, how much of the evidence they cut."""
    from core.labs.corpus import chunks as lab

    read = recipe.read()
    result = yield from lab.cut(workbench, read)
    record, chunkings = _cut_told(result.summary), [(read.chunking.part, result.chunks)]
    if against:
        other = reference(read, against)
        beside = yield from lab.cut(workbench, other)
        gold = lab.gold(workbench, (yield from workbench.read_corpus(read)))
        only_one, only_other, p = lab.compare_cuts(result.chunks, beside.chunks, gold)
        record |= {"cut only here": only_one, "cut only by the other": only_other, "p (McNemar)": p}
        record["against"] = [{"chunker": ", ".join(against), **_cut_told(beside.summary)}]
        chunkings.append((", ".join(against), beside.chunks))
    record["sizes"] = lab.size_rows(chunkings, lab.readable_tokens(read.embedding))
    if document is not None:
        corpus = yield from workbench.read_corpus(read)
        record["of the document"] = lab.document_rows(corpus, chunkings, document)
    return record


def _cut_told(summary: Any) -> dict[str, Any]:
    return {
        "chunks": summary.chunks,
        "tokens": summary.tokens,
        "mean tokens": summary.mean_tokens,
        "evidence cut": summary.cut.mean,
        "evidence cut low": summary.cut.low,
        "evidence cut high": summary.cut.high,
        "evidence spans": summary.cut.n,
        "tokens embedded twice": summary.repeated,
        "longer than read": summary.too_long,
    }


@verb("ingest-received", show_table, healthy=lambda files: all(file["status"] != "failed" for file in files), job_keeps=plain)
def ingest_received(workbench: Any, name: str, sent: str, /) -> Any:
    """Read the files that a browser sent to the page Corpus; the page starts it."""
    from core.labs.corpus.contents import ingest_received

    return ingest_received(workbench, name, sent)
