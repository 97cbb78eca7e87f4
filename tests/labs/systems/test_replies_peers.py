"""Retrievers and chains of LangChain's own classes are read as replies."""

import pytest

from core.labs.systems.replies import SystemPassage, called

documents = pytest.importorskip("langchain_core.documents")
retrievers = pytest.importorskip("langchain_core.retrievers")
runnables = pytest.importorskip("langchain_core.runnables")


class Own(retrievers.BaseRetriever):
    def _get_relevant_documents(self, query, *, run_manager):
        return [
            documents.Document(page_content=f"On {query}", metadata={"source": "a.txt", "start_index": 3}),
            documents.Document("x"),
        ]


def test_a_retriever_of_langchain():
    assert called(Own(), "why").passages == (SystemPassage("On why", "a.txt", 3), SystemPassage("x"))


def test_a_chain_of_langchain_that_answers_with_a_text():
    chain = Own() | runnables.RunnableLambda(lambda found: found[0].page_content)
    assert called(chain, "why")[:2] == ("On why", None)


def test_a_vector_store_of_langchain_as_a_retriever():
    stores = pytest.importorskip("langchain_core.vectorstores")
    embeddings = pytest.importorskip("langchain_core.embeddings")
    store = stores.InMemoryVectorStore(embeddings.DeterministicFakeEmbedding(size=8))
    store.add_documents([documents.Document(page_content=text, metadata={"source": f"{text}.txt"}) for text in ("one", "two")])
    passages = called(store.as_retriever(search_kwargs={"k": 2}), "one").passages
    assert {(each.text, each.document) for each in passages} == {("one", "one.txt"), ("two", "two.txt")}
    assert passages[0].text == "one", "best first"
