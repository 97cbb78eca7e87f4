"""What is to be said of an answer's documents by now: that they are not any more as they were indexed, or as the model read them."""

from collections.abc import Iterable, Mapping
from typing import Any

from core.config import TrialConfig, with_settings
from core.corpus.freshness import notice, origins
from core.errors import WorkbenchError
from core.records import Corpus, Hit, plain
from core.workbench import Workbench

SINCE = "the document changed, or was removed, after this answer was written"


def stale(workbench: Workbench, corpus: Corpus, passages: Iterable[Hit | Mapping[str, Any]]) -> dict[str, str]:
    """Document id -> what is to be said of it, of the documents of these passages of an answer; those as they were are left out."""
    hits = [plain(each) for each in passages]
    wanted = {hit["document_id"] for hit in hits}
    documents = {document.id: document for document in corpus.documents if document.id in wanted}
    read, told = origins(workbench.home, corpus.name, documents.values()), {}
    for hit in hits:
        document = documents.get(hit["document_id"])
        same = document is not None and document.text[hit["start"] : hit["end"]] == hit["text"]
        words = notice(read[document.id]) if same else SINCE
        if words and told.get(hit["document_id"]) != SINCE:
            told[hit["document_id"]] = words
    return told


def stale_since(workbench: Workbench, record: Mapping[str, Any]) -> dict[str, str]:
    """The same of a stored answer; nothing where its corpus is not here any more."""
    try:
        corpus = workbench.corpus(with_settings(TrialConfig(), {"corpus.dataset": record["config"]["corpus"]["dataset"]}))
    except WorkbenchError:
        return {}
    return stale(workbench, corpus, record["hits"])
