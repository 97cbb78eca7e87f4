"""What is in the corpus? Documents with the evidence of their questions marked, the questions, and where it all comes from."""

import streamlit as st

from app import session
from app.ui import cards, cells, evidence, jobs
from core.errors import WorkbenchError
from core.records import Corpus, Document

PART = 40_000  # characters of a long document shown at once
TABS = ("Documents", "Questions", "About", "Own documents", "Get more")


@st.cache_resource(show_spinner=False, max_entries=4)
def index(_corpus: Corpus, key: str) -> tuple:
    """(position of each document by id, positions of the questions that have gold in it, table, table of questions)."""
    import pandas as pd

    place = {document.id: i for i, document in enumerate(_corpus.documents)}
    asked: dict[str, list[int]] = {}
    for i, query in enumerate(_corpus.queries):
        for document_id in dict.fromkeys(gold.document_id for gold in query.gold if gold.grade > 0):
            asked.setdefault(document_id, []).append(i)
    documents = pd.DataFrame(
        {
            "Document": [d.title or d.id for d in _corpus.documents],
            "Characters": [len(d.text) for d in _corpus.documents],
            "Questions": [len(asked.get(d.id, ())) for d in _corpus.documents],
            "Source": [d.source for d in _corpus.documents],
        }
    )
    questions = pd.DataFrame(
        {
            "Question": [q.text for q in _corpus.queries],
            "Group": [q.group for q in _corpus.queries],
            "Evidence": [len({g.unit for g in q.gold if g.grade > 0}) for q in _corpus.queries],
            "Answerable": [q.answerable for q in _corpus.queries],
            "Answers": [" ".join("; ".join(dict.fromkeys(q.answers)).split()) for q in _corpus.queries],
        }
    )
    return place, asked, documents, questions


def documents_tab(corpus: Corpus) -> None:
    place, asked, table, _ = index(corpus, key(corpus))
    left, right = st.columns([2, 3], gap="medium")
    with left:
        words = st.text_input(
            "Search in titles and texts",
            key="find",
            bind="query-params",
            icon=":material/search:",
            placeholder="Words of a title or a text",
        )
        sources = sorted({d.source for d in corpus.documents if d.source})
        source = (
            st.selectbox("Source", sources, index=None, key="source", placeholder="All sources")
            if 1 < len(sources) <= 500
            else None
        )
        shown = [i for i, d in enumerate(corpus.documents) if matches(d, words) and source in (None, d.source)]
        cards.status_strip([f"{len(shown):,} of {len(corpus.documents):,} documents"])
        picked = cells.show(
            table.iloc[shown],
            hide_index=True,
            height=560 if len(shown) > 14 else "content",
            on_select="rerun",
            selection_mode="single-cell",
            key=f"documents/{corpus.name}/{words}/{source}",
            column_order=["Document", "Characters", "Questions"] + ["Source"] * (len(sources) > 1),
            column_config={
                "Document": st.column_config.TextColumn(width=205),
                "Characters": st.column_config.NumberColumn(format="localized", width=86),
                "Questions": st.column_config.NumberColumn(help="Questions whose evidence is in this document.", width=82),
            },
        ).selection.cells
    if picked and picked[0][0] < len(shown):
        st.query_params["document"] = corpus.documents[shown[picked[0][0]]].id
    position = place.get(st.query_params.get("document", ""))
    with right:
        if position is None and not shown:
            cards.empty("No document matches", "Other words, or all sources, will find more.")
        else:
            position = shown[0] if position is None else position
            document_panel(corpus, corpus.documents[position], asked.get(corpus.documents[position].id, []))


def matches(document: Document, words: str) -> bool:
    return not words or words.lower() in document.title.lower() or words.lower() in document.text.lower()


def document_panel(corpus: Corpus, document: Document, asked: list[int]) -> None:
    st.subheader(cards.plain(document.title or document.id), anchor=False)
    pages = cards.count(len(document.pages), "page") if document.pages else ""
    cards.status_strip(
        [
            document.id,
            document.source if document.source != document.id else "",
            f"{len(document.text):,} characters",
            pages,
            f"evidence of {cards.count(len(asked), 'question')}" if asked else "no question has evidence here",
        ]
    )
    chosen = None
    if asked:
        chosen = st.selectbox(
            "Evidence of",
            asked,
            index=None,
            placeholder=f"All of {cards.count(len(asked), 'question')}",
            format_func=lambda i: corpus.queries[i].text,
            key=f"evidence/{document.id}",
        )
    queries = [corpus.queries[i] for i in (asked if chosen is None else [chosen])]
    gold = [g for query in queries for g in query.gold if g.document_id == document.id]
    parts = -(-len(document.text) // PART)
    part = 0
    if parts > 1:
        first = min((g.start for g in gold), default=0) // PART
        part = st.pagination(parts, default=first + 1, key=f"part/{document.id}/{chosen}") - 1
    begin = part * PART
    text = document.text[begin : begin + PART]
    marks = evidence.gold_marks(begin, begin + len(text), gold)
    marks += evidence.term_marks(text, st.session_state.get("find") or "")
    evidence.show(f'<div class="gw gw-scroll"><div class="gw-text">{evidence.marked(text, marks)}</div></div>')


def questions_tab(corpus: Corpus) -> None:
    place, _, _, table = index(corpus, key(corpus))
    if not corpus.queries:
        cards.empty(
            "No questions",
            "This corpus has no questions in the chosen half, or none at all. Metrics need questions with evidence; "
            "searching and asking work without. Own documents take a questions file under Own documents.",
        )
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = st.text_input(
            "Search in questions and answers",
            key="find_question",
            icon=":material/search:",
            width=360,
            placeholder="Words of a question or an answer",
        )
        groups = sorted(set(table["Group"]) - {""})
        group = st.selectbox("Group", groups, index=None, placeholder="All groups", width=220) if len(groups) > 1 else None
        kinds = ["Answerable", "Unanswerable"] if table["Answerable"].nunique() > 1 else []
        kind = st.selectbox("Kind", kinds, index=None, placeholder="All", width=180) if kinds else None
    keep = table["Question"].str.contains(words, case=False, regex=False) | table["Answers"].str.contains(
        words, case=False, regex=False
    )
    keep &= table["Group"].eq(group) if group else True
    keep &= table["Answerable"].eq(kind == "Answerable") if kind else True
    shown = table.index[keep].tolist()
    cards.status_strip([f"{len(shown):,} of {len(corpus.queries):,} questions"])
    columns = ["Question", "Answers", "Group", "Evidence"] + (["Answerable"] if kinds else [])
    picked = cells.show(
        table.loc[shown],
        hide_index=True,
        height=330 if len(shown) > 8 else "content",
        on_select="rerun",
        selection_mode="single-cell",
        column_order=columns,
        key=f"questions/{corpus.name}/{words}/{group}/{kind}",
        column_config={
            "Evidence": st.column_config.NumberColumn(help="Pieces of gold evidence; alternatives count once.", width="small"),
            "Question": st.column_config.TextColumn(width=400),
            "Answers": st.column_config.TextColumn(width=340),
        },
    ).selection.cells
    if not picked or picked[0][0] >= len(shown):
        cards.empty("Evidence", "Click a question to see its gold evidence in the text around it.")
        return
    query = corpus.queries[shown[picked[0][0]]]
    cards.question_title(query.text)
    if not query.gold:
        cards.empty(
            "No evidence",
            "The corpus does not hold the answer to this question; it is not counted in retrieval metrics."
            if not query.answerable
            else "No evidence is known for this question, so it cannot be measured.",
        )
    for number, gold in enumerate(query.gold[:20]):
        document = corpus.documents[place[gold.document_id]]
        begin, end = max(0, gold.start - 300), min(len(document.text), gold.end + 300)
        evidence.show(
            evidence.passage_html(
                document.text[begin:end],
                title=document.title or document.id,
                facts=[f"characters {gold.start:,} to {gold.end:,}", f"grade {gold.grade}"],
                gold=evidence.gold_marks(begin, end, [gold]),
                query=query.text,
                cut=1000,
            )
        )
        st.button(
            "Open the document",
            key=f"open/{number}",
            type="tertiary",
            icon=":material/open_in_full:",
            on_click=open_document,
            args=(document.id,),
        )


def open_document(document_id: str) -> None:
    st.query_params["document"] = document_id
    st.session_state["tab"] = "Documents"


def about_tab(corpus: Corpus) -> None:
    known, _ = session.workbench().library.cards()
    card = known.get(corpus.name)
    characters = sum(len(d.text) for d in corpus.documents)
    sizes = [
        ("Documents", f"{len(corpus.documents):,}"),
        ("Characters", f"{characters:,}"),
        ("Questions", f"{len(corpus.queries):,}"),
        ("Unanswerable", f"{sum(not q.answerable for q in corpus.queries):,}"),
    ]
    if card is None:
        cards.facts([("Name", corpus.name), ("Source", "Own documents, on this machine only"), *sizes])
    else:
        st.subheader(cards.plain(card.title), anchor=False)
        st.text(card.description)
        cards.facts(
            [
                ("Licence", card.licence),
                ("Citation", card.citation),
                ("Source", card.homepage),
                ("Language", card.language),
                *sizes,
                *(("File", f"{f.name} · sha256 {f.sha256 or 'not stated by the publisher'}") for f in card.files),
            ]
        )
    if corpus.notes:
        with st.expander(f"{len(corpus.notes):,} notes from reading it", icon=":material/info:"):
            for note in corpus.notes[:200]:
                st.text(note)


def own_tab() -> None:
    workbench = session.workbench()
    own = [status for status in workbench.datasets() if status.kind == "own"]
    st.text(
        "PDF, Markdown, HTML, DOCX, text or JSONL. They stay on this machine. Metrics need a questions file (CSV, JSONL, SQuAD)."
    )
    turn = st.session_state.setdefault("own_turn", 0)  # a new key empties the form once its files are in
    with st.form(f"own/{turn}"):
        name = st.text_input("Name of the corpus", placeholder="my-papers", value=own[0].name if len(own) == 1 else "")
        files = st.file_uploader("Documents", accept_multiple_files=True)
        asked = st.file_uploader("Questions, optional")
        sent = st.form_submit_button("Add", type="primary", icon=":material/add:")
    if sent and not (name.strip() and (files or asked)):
        st.warning("Give the corpus a name and at least one file.")
    elif sent:
        questions = (asked.name, asked.getvalue()) if asked else None
        done = jobs.drain(workbench.library.ingest(name, [(file.name, file.getvalue()) for file in files], questions), "Reading")
        st.session_state["own_turn"], st.session_state["own_done"] = turn + 1, done
        st.rerun()
    for file in st.session_state.pop("own_done", ()):
        line = f"{file.name}: {file.status}{', ' + file.message if file.message else ''}"
        (st.success if file.status == "ok" and "not found" not in line else st.warning)(cards.plain(line))
    if not own:
        cards.empty("No own documents yet", "Each collection becomes a corpus of its own, beside the built-in ones.")
    for status in own:
        collection(status)


def collection(status) -> None:
    workbench = session.workbench()
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader(cards.plain(status.name), anchor=False)
            with st.container(horizontal=True, horizontal_alignment="right"):
                if status.present:
                    st.button(
                        "Use this corpus",
                        key=f"use/{status.name}",
                        on_click=session.change,
                        args=({"corpus.dataset": status.name},),
                        disabled=session.config().corpus.dataset == status.name or not status.documents,
                    )
                with st.popover("Remove", icon=":material/delete:", key=f"remove/{status.name}"):
                    names = [file.name for file in workbench.library.files(status.name)] if status.present else []
                    file = st.selectbox("What", names, index=None, placeholder="The whole collection", key=f"which/{status.name}")
                    st.button("Remove it", key=f"sure/{status.name}", type="primary", on_click=remove, args=(status.name, file))
        if status.note:
            st.text(status.note)
        if status.present:
            files = workbench.library.files(status.name)
            cells.show(
                [
                    {
                        "File": f.name,
                        "Status": f.status,
                        "Pages": f.pages or None,
                        "Characters": f.characters,
                        "Message": f.message,
                    }
                    for f in files
                ],
                hide_index=True,
                key=f"files/{status.name}",
                placeholder="–",
                column_config={
                    "Characters": st.column_config.NumberColumn(format="localized"),
                    "Message": st.column_config.TextColumn(width="large"),
                },
            )


def remove(name: str, file: str | None) -> None:
    session.workbench().library.remove(name, file or "")
    if not file and session.config().corpus.dataset == name:
        session.change({"corpus.dataset": session.defaults().corpus.dataset})


def more_tab() -> None:
    workbench = session.workbench()
    known, _ = workbench.library.cards()
    absent = [status for status in workbench.datasets() if status.kind == "downloadable" and not status.present]
    if not absent:
        cards.empty("Everything is here", "All data sets that Groundwork knows are on this machine.")
    st.text(
        "Nothing is fetched before its button is pressed. A folder that holds the files already is used when "
        "the environment variable GROUNDWORK_DATASETS names it."
    )
    for status in absent:
        card = known[status.name]
        with (
            st.container(border=True),
            st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"),
        ):
            with st.container(width="stretch"):
                st.markdown(f"**{cards.plain(card.title)}**  \n:gray[{cards.plain(card.description)}]")
                cards.status_strip(
                    [
                        f"{status.documents:,} documents" if status.documents else "",
                        f"{status.questions:,} questions" if status.questions else "",
                        f"licence: {card.licence}",
                        card.homepage,
                    ]
                )
            jobs.start_button("Download", ["download", status.name], f"Download {status.name}", icon=":material/download:")


def key(corpus: Corpus) -> str:
    return f"{corpus.name}/{corpus.fingerprint}/{session.workbench().pipeline.queries_key(corpus)}"


cards.page_title("Corpus", "What is in the corpus, what is asked of it, and where does the evidence stand?")
corpus, tabs = None, TABS
try:
    corpus = jobs.drain(session.workbench().read_corpus(session.config()), "Reading the corpus")
    unanswerable = sum(not query.answerable for query in corpus.queries)
    cards.status_strip(
        [
            corpus.name,
            cards.count(len(corpus.documents), "document"),
            f"{cards.count(len(corpus.queries), 'question')} ({session.config().corpus.questions})",
            f"{unanswerable:,} of them unanswerable" if unanswerable else "",
        ]
    )
except WorkbenchError as error:  # nothing to show, but documents can be added and other data sets fetched
    cards.problem(error)
    tabs = TABS[3:]
draw = dict(zip(TABS, (documents_tab, questions_tab, about_tab, own_tab, more_tab), strict=True))
for title, tab in zip(tabs, st.tabs(tabs, key="tab", on_change="rerun", bind="query-params"), strict=True):
    if tab.open:
        with tab:
            draw[title](corpus) if title in TABS[:3] else draw[title]()
