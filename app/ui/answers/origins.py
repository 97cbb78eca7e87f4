"""Where an answer comes from: its chunks with their places in each stage, and where its time went."""

import streamlit as st

from app.ui import cards, charts, tables
from app.ui.serving import waterfall
from core.labs.answers import stored as answers
from core.records import Answer, Provenance
from core.report.table import Column, Table
from core.serving.spans import spans_of
from core.serving.traces import tree, waterfalls

ORIGINS = "All chunks down to the last one given to the model: rank in each stage, score in brackets"


def draw(answer: Answer) -> None:
    origin = answer.provenance
    if origin is None:
        return st.caption("The origin of this answer was not recorded.")
    cards.status_strip([origin.corpus, f"checksum {origin.corpus_checksum[:20]}…", f"answer {answer.id}" if answer.id else ""])
    command = f"python -m core answers show {answer.id} --json" if answer.id else ""
    _chunks(origin, command)
    times(answer)
    if command:
        st.code(command, language="bash")


def _chunks(origin: Provenance, command: str) -> None:
    """A row a chunk, down to the last that was given."""
    stages = dict.fromkeys(name for chunk in origin.origins for name in chunk.stages)
    paged, rows, longer = any(chunk.page for chunk in origin.origins), [], {}
    for chunk in origin.origins:
        page = f", page {chunk.page}" if paged and chunk.page else ""
        row = {
            "passage": str(chunk.passage or "not given"),
            "document": chunk.document_id,
            "characters": f"{chunk.start:,}–{chunk.end:,}{page}",
            "chunk": chunk.chunk,
        }
        for name in stages:
            place = chunk.stages.get(name)
            row[name] = f"{place.rank} ({place.score:.2g})" if place else "not met"
            if place and place.longer:
                longer.setdefault(f"{answers.stage_title(name)}: {place.longer}", []).append(str(chunk.chunk))
        rows.append(row)
    st.caption(f"{ORIGINS}.")
    columns = [Column("passage", width=66), Column("document", width=150), Column("characters", width=120)]
    columns += [Column("chunk")] * bool(longer)  # its number is named by these notes alone
    columns += [Column(name, _column(name), help=answers.stage_title(name), width=77) for name in stages]
    tables.draw(Table("origins_table", columns, rows, "Where the passages of the answer come from", ORIGINS, command))
    for how, chunks in longer.items():
        st.caption(f":material/content_cut: Longer than the model reads at once. {how} (chunk {', '.join(chunks)}).")


def _column(stage: str) -> str:
    """Short, so that a cascade of some steps stands beside what it begins with."""
    title = answers.stage_title(stage)
    return f"Step {stage.rpartition('_')[2]}" if title.startswith("Reranking, ") else title


def times(answer: Answer) -> None:
    """A bar a step, each beginning where the one before ends."""
    spans = [span._replace(name=answers.step_title(span.name)) for span in spans_of(answer)]
    if not spans:
        return
    falls = waterfalls(spans)
    rows = [{"step": row.span.name, "kind": row.span.kind, "start_ms": row.start_ms, "ms": row.ms} for row in tree(falls)]
    command = f"python -m core serving trace {answer.id}" if answer.id else ""
    title = f"Where {cards.duration(rows[0]['ms'] / 1000)} went"
    charts.show(waterfall.figure(falls), "answer_time", command=command, data=rows, title=title)
