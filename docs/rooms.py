"""The rooms of the code, floor by floor: the one list that the test of imports holds, and that docs/architecture.md shows."""

from typing import NamedTuple


class Room(NamedTuple):
    name: str  # a folder or module of core, or app, pages
    holds: str


# lowest floor first: a room imports from its own floor and from those below it
FLOORS: tuple[tuple[Room, ...], ...] = (
    (
        Room("errors", "the one error that people see: what, where, what to do"),
        Room("records", "documents, chunks, candidates, hits, answers: plain values that stages hand on"),
        Room("statistics", "intervals, paired tests, agreement coefficients, power; arrays in, numbers out"),
    ),
    (
        Room("files", "the data folder; files written whole, with checksums"),
        Room("progress", "long verbs run whole, or one within another"),
        Room("registry", "finds every part by its file, and the code behind it"),
    ),
    (
        Room("config", "the recipe of a trial as one frozen config, and fingerprints"),
        Room("store", "journal, DuckDB, SQL, and the cache of stages"),
        Room("jobs", "long work in child processes"),
        Room("report", "tables, and figures for papers"),
    ),
    (
        Room("models", "model files and their identity, hardware, headers, the process a model runs in"),
        Room("corpus", "a file a loader: documents and questions"),
        Room("chunking", "a file a chunker, and the tokens of each chunk"),
        Room("embedding", "a file an encoder, the transform of vectors, and vectors by text"),
        Room("index", "a file an index"),
        Room("retrieval", "a file a retriever or fusion, and the pool they work on"),
        Room("queries", "a file a query transform: what is asked in a question's place"),
        Room("reranking", "a file a reranker: what looks closer at the best candidates"),
        Room("context", "the prompt that passages are put into"),
        Room("generation", "a file an engine that answers"),
        Room("agents", "the tools that a model may call, the sandbox of one, and how a run is bounded"),
        Room("answering", "a file a way of writing an answer from passages"),
        Room("evaluation", "a file a metric, and what makes a chunk relevant"),
    ),
    (
        Room("pipeline", "the table of stages, their keys and what is kept of them"),
        Room("sampling", "steps from logits to a token, search, what they leave as a trace"),
        Room("scratch", "models and indexes written to be read; no recipe uses them"),
        Room("judging", "what scores an answer"),
        Room(
            "training", "encoders, rerankers, heads, adapters, tokenizers and mixtures of experts, trained on a corpus or a file"
        ),
    ),
    (
        Room("workbench", "the verbs of a recipe: prepare, evaluate, run, sweep, search, ask"),
        Room("comparison", "arms on the same questions: means, paired differences, corrections, verdicts, columns of tables"),
    ),
    (
        Room("labs", "the verbs of single pages, a folder a subject: trials, answers, encoders, adapters, indexes …; the doctor"),
        Room("annotation", "studies and labels, and the formats they come and go in"),
        Room("serving", "a recipe over HTTP: queue, batches, caches, keys; publication, canaries, load, traces"),
        Room("memory", "facts: written, read, superseded, forgotten with proof; policies over simulated lives"),
        Room("articles", "articles on evidence: researched, drafted, edited by a gate, decided, published"),
        Room("agreement", "what a study's labels say together: agreement, annotators, systems, power"),
    ),
    (
        Room("__main__", "starts the command line"),
        Room("cli", "the command line, a file a subject"),
        Room("app", "the frame of the screens, and what several pages draw"),
    ),
    (Room("pages", "a file a question"),),
)
