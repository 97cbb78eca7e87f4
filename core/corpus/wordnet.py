from collections import defaultdict
from collections.abc import Generator
from pathlib import Path
from typing import Literal

from core.corpus.assemble import WHOLE, assemble
from core.corpus.protocol import Loader
from core.corpus.reading import Notes, Source, SourceRow, clean, shape_reported, text_of
from core.errors import WorkbenchError
from core.records import Corpus, Document, Gold, Progress, Query
from core.registry import part

TODO = "The folder needs oewn.jsonl, rd16_user_concept_descriptions.txt and rd16_target_words.txt."


@part("loader")
class WordNet(Loader):
    """A dictionary: a document is a synset with its words, definition and examples, a line of oewn.jsonl, also as .gz.

    A question is a meaning that a person wrote (line n of rd16_user_concept_descriptions.txt); its evidence is every synset that
    holds the word meant (line n of rd16_target_words.txt), as alternatives of one unit: any of them finds the word. Choose it for
    very many short documents, and for questions that share few words with what answers them.
    Source: McCrae et al. 2020, "English WordNet 2020: Improving and Extending a WordNet for English using an Open-Source
    Methodology"; the meanings: Thorat and Choudhari 2016, "Implementing a Reverse Dictionary, based on word definitions, using a
    Node-Graph Architecture".
    """

    part: Literal["wordnet"] = "wordnet"

    def load(self, path: Path, name: str) -> Generator[Progress, None, Corpus]:
        source = Source(path, Notes())
        documents: list[Document] = []
        holds: dict[str, list[str]] = defaultdict(list)  # word -> synsets
        [member, *_] = source.needed("oewn.jsonl", "oewn.jsonl.gz", todo=TODO)
        for number, row in enumerate(source.json_lines(member)):
            if number % 2000 == 0:
                yield Progress(row.position, row.size, "Reading synsets")
            with shape_reported(row.where, self.part):
                words = [clean(str(word)) for word in row.fields["words"]]
                documents.append(_document(row, words))
            for word in dict.fromkeys(map(str.lower, words)):
                holds[word].append(documents[-1].id)
        return assemble(name, documents, _questions(source, holds), source.notes)


def _document(row: SourceRow, words: list[str]) -> Document:
    title = ", ".join(words)
    lines = [title, "", text_of(row.fields, "definition"), *(clean(str(each)) for each in row.fields.get("examples") or ())]
    return Document(text_of(row.fields, "id") or row.where, "\n".join(lines).rstrip(), title, text_of(row.fields, "topic"))


def _questions(source: Source, holds: dict[str, list[str]]) -> list[Query]:
    meanings, words = (
        source.text(source.needed(f"rd16_{what}.txt", todo=TODO)[0]).splitlines()
        for what in ("user_concept_descriptions", "target_words")
    )
    if len(meanings) != len(words):
        raise WorkbenchError(
            f"There are {len(meanings):,} meanings and {len(words):,} words.",
            where=str(source.path),
            todo="Line n of rd16_target_words.txt is the word that line n of rd16_user_concept_descriptions.txt describes.",
        )
    queries = []
    for number, (meaning, word) in enumerate(zip(meanings, map(str.strip, words), strict=True), 1):
        gold = tuple(Gold(identity, 0, WHOLE) for identity in holds.get(word.lower(), ()))
        if not gold:
            source.notes.add("Meaning of a word that no synset holds, not measured", word)
        queries.append(Query(f"rd16-{number:03}", meaning.strip(), gold, (word,)))
    return queries
