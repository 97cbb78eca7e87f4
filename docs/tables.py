"""Writes the generated parts of the documentation: `python -m docs.tables`.

docs/parts.md as a whole, and in other pages what stands between `<!-- NAME:start -->` and `<!-- NAME:end -->`. All of it
comes from the code and the cards, so a new part, verb, column or data set is documented by running this.
"""

import argparse
import inspect
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from core import registry
from core.__main__ import build_parser
from core.config import _BOUNDS, PART_STAGES, settings
from core.corpus.cards import cards
from core.store import tables

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "loader": "Loaders read a corpus with its questions. A data set's card names its loader (`datasets/*/card.yaml`).",
    "chunker": "Chunkers cut documents into the texts that are searched. Recipe: `chunking`.",
    "encoder": "Encoders turn texts into vectors. Recipe: `embedding`.",
    "sparse": "Sparse retrievers rank chunks by the words they share with the question. Recipe: `sparse`.",
    "index": "Indexes rank chunks by their vectors. Recipe: `index`.",
    "fusion": "Fusions make one ranking of the sparse and the dense one. Recipe: `fusion`.",
    "generator": "Generators write the answer. Recipe: `generation`.",
    "metric": "Metrics judge a ranking, question by question. All of them are computed for every trial.",
}


def pages() -> dict[Path, str]:
    """Every file with generated content, as it should be."""
    command_line, store = ROOT / "docs/command_line.md", ROOT / "docs/guide/query_store.md"
    corpus = ROOT / "docs/guide/browse_corpus.md"
    return {
        ROOT / "docs/parts.md": parts(),
        command_line: filled(command_line, "verbs", verbs()),
        store: filled(store, "tables", database()),
        ROOT / "docs/methods.md": filled(ROOT / "docs/methods.md", "training", training()),
        corpus: filled(corpus, "datasets", datasets()),
    }


def filled(path: Path, name: str, text: str) -> str:
    """The page with the text between its markers."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, _, rest = path.read_text("utf-8").partition(start)
    if end not in rest:
        raise ValueError(f"{path.name} has no markers {start} and {end}")
    return f"{before}{start}\n{text.strip()}\n{end}{rest.partition(end)[2]}"


def parts() -> str:
    """Every part with what it says of itself and its settings, then the settings that belong to no part."""
    every = settings()
    stage_of = {kind: stage for stage, kind in PART_STAGES.items()}
    lines = [
        "# Parts and settings",
        "",
        "Written by `python -m docs.tables` from the code. On the command line: "
        "`python -m core list KIND` and `python -m core list settings`.",
        "",
    ]
    for kind, about in KINDS.items():
        lines += [f"## {kind.capitalize()}", "", about, ""]
        for name, cls in registry.parts(kind).items():
            lines += [f"### `{name}`", "", inspect.cleandoc(cls.__doc__ or "").replace("<", "&lt;"), ""]
            if kind == "metric":
                low, high = cls.range
                better = "higher" if cls.direction > 0 else "lower"
                lines += [f"Label: {cls.label.format(k='k')}. Range: {low:g} to {high:g}, {better} is better.", ""]
            elif kind == "loader":
                lines += knobs(cls)
            else:
                rows = [row for row in every if row["part"] == name and row["setting"].startswith(stage_of[kind] + ".")]
                lines += settings_table(rows)
    lines += ["## Settings of the other stages", "", *settings_table([row for row in every if not row["part"]])]
    return "\n".join(lines).rstrip() + "\n"


def settings_table(rows: Iterable[dict]) -> list[str]:
    found = [(f"`{r['setting']}`", code(r["default"]), r["allowed"], r["unit"], r["what"]) for r in rows]
    return [*table(("Setting", "Default", "Allowed", "Unit", "What it does"), found), ""] if found else []


def knobs(cls: type) -> list[str]:
    """The settings of a loader: its card gives them, a recipe does not."""
    found = [
        (f"`{name}`", code(info.default), info.description or "") for name, info in cls.model_fields.items() if name != "part"
    ]
    return [*table(("In the card", "Default", "What it does"), found), ""] if found else []


def verbs() -> str:
    parser = build_parser()
    choices = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    about = {choice.dest: choice.help for choice in choices._choices_actions}
    rows = []
    for name, verb in choices.choices.items():
        options = [a for a in verb._actions if a.help != argparse.SUPPRESS and a.dest not in ("help", "json")]
        words = " ".join(filter(None, map(usage, options)))
        rows.append((f"`{name}`", code(words) if words else "", about[name]))
    return "\n".join(table(("Verb", "Takes", "What it does"), rows))


def usage(action: argparse.Action) -> str:
    if not action.option_strings:
        many = " …" if action.nargs == "+" else ""
        return (action.metavar or ("KIND" if action.choices else action.dest.upper())) + many
    value = action.metavar or action.dest.upper()
    takes = {0: "", "?": f" [{value}]", "+": f" {value} …"}.get(action.nargs, f" {value}")
    text = f"{action.option_strings[0]}{takes}"
    return text if action.required else f"[{text}]"


def database() -> str:
    lines = []
    for one in tables.describe():
        rows = [(f"`{name}`", kind.lower(), meaning) for name, kind, meaning in one.columns]
        lines += [f"### `{one.name}`", "", one.comment, "", *table(("Column", "Type", "Meaning"), rows), ""]
    return "\n".join(lines)


def datasets() -> str:
    rows = []
    for name, card in sorted(cards().items(), key=lambda pair: (bool(pair[1].files), pair[0])):
        sizes = [f"{n:,}" if n is not None else "" for n in (card.documents, card.questions)]
        files = ", ".join(f"`{file.name}`" for file in card.files) or "built in"
        rows.append((f"`{name}`", card.title, *sizes, " ".join(card.licence.split()), files))
    return "\n".join(table(("Name", "Data set", "Documents", "Questions", "Licence", "Files"), rows))


def training() -> str:
    """What `train-encoder --train` takes."""
    from core.training.encoders import TrainConfig

    of, rows = TrainConfig.model_json_schema()["properties"], []
    for name, info in TrainConfig.model_fields.items():
        bounds = [f"{sign} {of[name][key]}" for key, sign in _BOUNDS.items() if key in of[name]]
        allowed = " | ".join(of[name].get("enum", [])) or ", ".join(bounds)
        rows.append(
            {
                "setting": name,
                "default": info.default,
                "allowed": allowed,
                "unit": of[name].get("unit", ""),
                "what": info.description,
            }
        )
    return "\n".join(settings_table(rows))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *cells)]


def code(value: object) -> str:
    return f"`{value}`" if str(value) else ""


def main() -> None:
    for path, text in pages().items():
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            print(f"written: {path.relative_to(ROOT)}, {len(re.findall('^[|]', text, re.MULTILINE)):,} table lines")


if __name__ == "__main__":
    main()
