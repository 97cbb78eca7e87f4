"""The tab Tokenizers: texts split side by side, tokenizers compared on the corpus, and trained on it."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import streamlit as st

from app import session
from app.ui import cards, cells, charts, evidence, jobs
from app.ui.export import download
from app.ui.held import result_of
from app.ui.tables import wrapped_table
from core.config import TrialConfig
from core.errors import WorkbenchError
from core.labs.inside.tokenizers import (
    TokenizerComparison,
    TokenizerReport,
    coloured,
    compare,
    measures,
    reader_of,
    report_on,
    sample_texts,
    summary_on,
)
from core.records import Corpus
from core.training.tokenizers import Reader, TokenizerConfig, folder_of, tokenizer_files, train_tokenizer
from core.workbench import one_phase

OWN = "My own text"
CHUNKS = (64, 128, 256, 512)  # tokens of a chunk of which is told what it holds
MOST = 4  # tokenizers side by side
MOST_CHARACTERS = 3_000_000  # of a corpus compared in the page: the first documents up to so many
KINDS = {"bpe": "BPE on bytes", "wordpiece": "WordPiece", "unigram": "Unigram"}


class Picked(NamedTuple):
    """A tokenizer, opened, and what names it in a command."""

    reader: Reader
    option: tuple[str, str]


def tokenizers(config: TrialConfig) -> None:
    corpus = jobs.drain(session.workbench().read_corpus(config), "Reading the corpus")
    left, right = st.columns([1, 2], gap="medium")
    with left:
        picked = chosen()
        readers = [each.reader for each in picked]
        with st.expander("Train one on this corpus"):
            training(corpus)
    with right:
        if not readers:
            return cards.empty("Tokenizers side by side", "Choose at least one on the left, or train one.")
        side_by_side(corpus, readers)
    st.divider()
    comparison(config, corpus, picked)


def chosen() -> list[Picked]:
    """The tokenizers picked, opened; one that cannot be read is told and left out."""
    files, picked = tokenizer_files(), []
    if new := st.session_state.pop("trained_tokenizer", ""):  # a widget's value is set before the widget is drawn
        st.session_state.tokenizers = [*st.session_state.get("tokenizers", list(files)[:2])[: MOST - 1], new]
    names = st.multiselect(
        "Tokenizers",
        list(files),
        list(files)[:2],
        key="tokenizers",
        max_selections=MOST,
        persist_state="session",
        help="Those of the bundled models, and those trained here.",
    )
    other = st.text_input(
        "From a file",
        key="tokenizer_path",
        persist_state="session",
        placeholder="/models/some/tokenizer.json",
        help="A tokenizer.json, a folder with one, or a GGUF file, of which only the vocabulary is read.",
    )
    named = [(name, files[name], ("--tokenizer", name)) for name in names]
    if path := other.strip():
        named.append(("", path, ("--file", path)))
    for name, path, option in named:
        try:
            picked.append(Picked(reader_of(session.workbench(), str(path), name), option))
        except WorkbenchError as error:
            cards.problem(error)
    return picked


def side_by_side(corpus: Corpus, readers: Sequence[Reader]) -> None:
    """One text under each tokenizer, neighbouring tokens in two colours, unknown ones struck through."""
    texts = sample_texts(session.workbench(), corpus)
    name = st.selectbox("Text", [*texts, OWN], key="token_text", persist_state="session")
    text = texts.get(name) or st.text_area(
        "Text to split", "Type here: 3.14 naïve tokens_per_s", key="own_text", max_chars=4000, persist_state="session"
    )
    for row in range(0, len(readers), 2):
        for column, reader in zip(st.columns(2), readers[row : row + 2], strict=False):
            with column:
                one_text(reader, text)


def one_text(reader: Reader, text: str) -> None:
    split = reader.split(text)
    marks, number = [], 0
    for piece in coloured(text, split):
        if piece.tokens:
            unknown = split.unknown[list(piece.tokens)].any()
            marks.append(evidence.Mark(piece.start, piece.end, "chip bad" if unknown else "ab"[number % 2]))
            number += 1
    size = len(text.encode()) / max(1, len(split.ids))
    lost = f", {int(split.unknown.sum())} unknown" if split.unknown.any() else ""
    evidence.show(
        f'<div class="gw gw-passage"><div class="gw-head"><span class="name">{evidence.marked(reader.name, [])}</span>'
        f"<span>{cards.count(len(split.ids), 'token')}</span><span>{size:.2f} bytes a token{lost}</span>"
        f'<span>vocabulary {reader.vocabulary:,}</span></div><div class="gw-text">{evidence.marked(text, marks)}</div></div>'
    )


def comparison(config: TrialConfig, corpus: Corpus, picked: Sequence[Picked]) -> None:
    readers = [each.reader for each in picked]
    texts = some_texts(corpus)
    cut = f" the first {len(texts):,} of {len(corpus.documents):,} documents" if len(texts) < len(corpus.documents) else ""
    names = tuple((reader.name, reader.vocabulary) for reader in readers)
    measured: TokenizerComparison | None = result_of(
        "tokenizers",
        (corpus.fingerprint, names, tuple(each.option for each in picked)),
        "Compare on the corpus",
        jobs.Press("tokenizers-compare", one_phase(f"{len(texts):,} documents, by {len(readers)} of them", units=len(readers))),
        lambda: compare(texts, readers, CHUNKS),
        why=f"Splits{cut or ' every document of the corpus'} with each tokenizer.",
    )
    if measured is None:
        return cards.empty(
            "The tokenizers on this corpus",
            "Tokens a word, bytes a token, unknown tokens, numbers, code and letters "
            "beyond ASCII, and what a chunk holds: means over documents with their intervals.",
        )
    rows = summary_on(session.workbench(), config, corpus, measured)
    measure_chart(measured, rows, config.evaluation.confidence, command(config, picked, len(texts)))
    measure_table(rows, [name for name, _ in names])
    export(config, corpus, measured, readers)


def some_texts(corpus: Corpus) -> list[str]:
    texts, characters = [], 0
    for document in corpus.documents:
        characters += len(document.text)
        if texts and characters > MOST_CHARACTERS:
            break
        texts.append(document.text)
    return texts


def command(config: TrialConfig, picked: Sequence[Picked], documents: int) -> str:
    """The command that prints the comparison."""
    options = (word for each in picked for word in each.option)
    return session.workbench().command(config, "tokenizers-compare", *options, "--documents", str(documents))


def measure_chart(measured: TokenizerComparison, rows: list[dict[str, Any]], confidence: float, command: str) -> None:
    labels = {name: f"{measure.label} ({measure.unit})" for name, measure in measures(measured).items()}
    name = st.selectbox("Measure", list(labels), key="token_measure", format_func=labels.get, persist_state="session")
    some = [row for row in rows if row["measure"] == name and row["mean"] is not None]
    if not some:
        return st.caption("No document of this corpus has anything to measure here.")
    traces = charts.bars(
        [row["tokenizer"] for row in some],
        {"": [row["mean"] for row in some]},
        errors=None if any(row["low"] is None for row in some) else {"": [(row["low"], row["high"]) for row in some]},
    )
    charts.show(
        charts.figure(traces, "", labels[name], legend=False, height=260, bargap=0.6),
        "tokenizers",
        data=some,
        config={"measure": name, "tokenizers": [row["tokenizer"] for row in some]},
        command=command,
        title=measures(measured)[name].label,
        caption=f"mean of {some[0]['documents']:,} documents, {100 * confidence:g}% intervals",
    )


def measure_table(rows: list[dict[str, Any]], names: Sequence[str]) -> None:
    tables: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for measure in dict.fromkeys(row["measure"] for row in rows):
        some = {row["tokenizer"]: row for row in rows if row["measure"] == measure}
        first, values = next(iter(some.values())), {name: _cell(some[name]) for name in names if name in some}
        of_chunk = measure.startswith("chunk")
        unit = {} if of_chunk else {"Unit": "share of the vocabulary" if measure == "vocabulary_use" else first["unit"]}
        tables[of_chunk].append({"Measure": first["label"], **unit, **values})
    wrapped_table(tables[False])
    st.markdown("**What a chunk holds**")
    wrapped_table(tables[True])
    st.caption("Mean over documents with its interval; vocabulary use is of the whole corpus and grows with it.")


def _cell(row: dict[str, Any]) -> str:
    value = row["whole"] if row.get("mean") is None else row["mean"]
    if value is None:
        return "not measured"
    digits = 0 if value >= 100 else 1 if value >= 10 else 3
    interval = "" if row.get("low") is None else f" [{row['low']:,.{digits}f}, {row['high']:,.{digits}f}]"
    return f"{value:,.{digits}f}{interval}"


def export(config: TrialConfig, corpus: Corpus, measured: TokenizerComparison, readers: Sequence[Reader]) -> None:
    def report() -> TokenizerReport:
        return report_on(session.workbench(), config, corpus, measured, readers)

    with st.container(horizontal=True, gap="small"):
        download("Report", lambda: report().markdown, "tokenizers.md", "tokens/report")
        download("Measures", lambda: cells.to_csv(report().rows), "tokenizers.csv", "tokens/rows", icon=":material/table:")
        download(
            "Documents",
            lambda: cells.to_csv(report().document_rows),
            "tokenizers-by-document.csv",
            "tokens/documents",
            icon=":material/table_rows:",
        )


def training(corpus: Corpus) -> None:
    """A form, and the training under its own progress: seconds for the built-in corpus."""
    fields = TokenizerConfig.model_fields
    with st.form("train_tokenizer", border=False):
        name = st.text_input("Name", key="tokenizer_name", placeholder=f"{corpus.name} 4k", persist_state="session")
        kind = st.selectbox("Kind", list(KINDS), key="tokenizer_kind", format_func=KINDS.get, help=fields["kind"].description)
        size = st.number_input(
            "Vocabulary (tokens)", 300, 200_000, 4096, 256, key="tokenizer_size", help=fields["size"].description
        )
        least = st.number_input(
            "Minimum frequency (times)", 1, 10_000, 2, key="tokenizer_least", help=fields["min_frequency"].description
        )
        lower = st.checkbox("Lower case", key="tokenizer_lower", help=fields["lowercase"].description)
        pressed = st.form_submit_button("Train", icon=":material/play_arrow:")
        jobs.price(
            *(press := jobs.Press("train-tokenizer", one_phase(cards.count(len(some_texts(corpus)), "document"), units=1)))
        )
    if pressed:
        config = TokenizerConfig(kind=kind, size=size, min_frequency=least, lowercase=lower)
        train(corpus, name.strip() or f"{corpus.name} {kind} {size}", config, press)


def train(corpus: Corpus, name: str, config: TokenizerConfig, press: jobs.Press) -> None:
    stop = st.empty()
    stop.button("Cancel", key="stop/train_tokenizer", icon=":material/close:")
    try:
        jobs.drain(train_tokenizer(some_texts(corpus), config, folder_of(name)), press=press)
    except WorkbenchError as error:
        stop.empty()
        return cards.problem(error)
    st.toast(cards.plain(f"Tokenizer {name} is trained."), icon=":material/check:")
    st.session_state.trained_tokenizer = name
    st.rerun()
