"""Writes the generated parts of the documentation: `python -m docs.tables`.

docs/parts.md as a whole, and in other pages what stands between `<!-- NAME:start -->` and `<!-- NAME:end -->`. All of it
comes from the code and the cards, so a new part, verb, column or data set is documented by running this.
"""

import inspect
import re
from collections.abc import Container, Iterable, Sequence
from functools import reduce
from operator import getitem
from pathlib import Path

from cyclopts import Argument

from core import registry
from core.__main__ import SUBJECTS
from core.cli.frame import USUAL, VERBS, Verb, app
from core.cli.options import RecipeOptions
from core.config import _BOUNDS, PART_KINDS, settings
from core.corpus.cards import cards
from core.store import tables

ROOT = Path(__file__).resolve().parents[1]
RANKING = (
    "chunker",
    "query",
    "sparse",
    "index",
    "fusion",
    "reranker",
    "metric",
    "measure",
)  # kinds whose every part docs/methods.md names


def pages() -> dict[Path, str]:
    """Every file with generated content, as it should be."""
    command_line, store = ROOT / "docs/command_line.md", ROOT / "docs/guide/query_store.md"
    corpus, methods = ROOT / "docs/guide/browse_corpus.md", ROOT / "docs/methods.md"
    return {
        ROOT / "docs/parts.md": parts(),
        command_line: filled(command_line.read_text("utf-8"), "verbs", verbs()),
        store: filled(store.read_text("utf-8"), "tables", database()),
        methods: of_methods(methods.read_text("utf-8")),
        corpus: filled(corpus.read_text("utf-8"), "datasets", datasets()),
    }


def filled(page: str, name: str, text: str) -> str:
    """The text of a page with this one between its markers."""
    start, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, _, rest = page.partition(start)
    if end not in rest:
        raise ValueError(f"There are no markers {start} and {end}")
    return f"{before}{start}\n{text.strip()}\n{end}{rest.partition(end)[2]}"


def parts() -> str:
    """Every part with what it says of itself and its settings, then the settings that belong to no part."""
    every = settings()
    stages_of = {kind: [stage for stage, its in PART_KINDS.items() if its == kind] for kind in PART_KINDS.values()}
    lines = [
        "# Parts and settings",
        "",
        "Written by `python -m docs.tables` from the code; [adding a part](adding_a_part.md) says how. On the command line: "
        "`python -m core list KIND` and `python -m core list settings`.",
        "",
    ]
    for kind, (_, about) in registry.kinds().items():
        chosen = f" Recipe: {listed(stages_of[kind])}." if kind in stages_of else ""
        lines += [f"## {kind.capitalize()}", "", about + chosen, ""]
        for name, cls in registry.parts(kind).items():
            lines += [f"### `{name}`", "", inspect.cleandoc(cls.__doc__ or "").replace("<", "&lt;"), ""]
            if kind in ("metric", "measure"):
                low, high = cls.range
                better = {1: "higher is better", -1: "lower is better", 0: "neither is better"}[cls.direction]
                lines += [f"Label: {cls.label.format(k='k')}. Range: {low:g} to {high:g}, {better}. Source: {cls.source}.", ""]
            if kind in ("loader", "measure"):
                lines += knobs(cls, "In the card" if kind == "loader" else "Setting")
            elif kind not in PART_KINDS.values():
                continue
            else:
                first, *others = stages_of[kind]
                rows = [row for row in every if row["part"] == name and row["setting"].startswith(first + ".")]
                lines += settings_table(rows, others)
    lines += ["## Settings of the other stages", "", *settings_table([row for row in every if not row["part"]])]
    return "\n".join(lines).rstrip() + "\n"


def in_short() -> str:
    """The parts that rank and judge, with the first words of each."""
    rows = []
    for kind in RANKING:
        for name, cls in registry.parts(kind).items():
            about = inspect.cleandoc(cls.__doc__ or "").partition("\n\n")[0].replace("<", "&lt;")
            rows.append((kind, f"[`{name}`](parts.md#{name})", about))
    return "\n".join(table(("Kind", "Part", "What it does"), rows))


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def settings_table(rows: Iterable[dict], others: Iterable[str] = ()) -> list[str]:
    """others: the stages beside the first that have the same settings."""
    found = []
    for row in rows:
        setting = row["setting"].partition(".")[2]
        names = [row["setting"], *(f"{stage}.{setting}" for stage in others)]
        found.append((listed(names), code(row["default"]), row["allowed"], row["unit"], row["what"]))
    return [*table(("Setting", "Default", "Allowed", "Unit", "What it does"), found), ""] if found else []


def knobs(cls: type, title: str) -> list[str]:
    """The settings of a part that no recipe gives: a loader's card does, and who scores answers."""
    found = [
        (f"`{name}`", code(info.default), info.description or "") for name, info in cls.model_fields.items() if name != "part"
    ]
    return [*table((title, "Default", "What it does"), found), ""] if found else []


def verbs() -> str:
    """Every verb under its subject: what it takes, what it does, and what its options mean."""
    lines = []
    for subject in SUBJECTS:
        title, _, about = inspect.getdoc(subject).rstrip(".").partition(": ")
        lines += [f"### {title}", "", *([f"{about[0].upper()}{about[1:]}.", ""] if about else [])]
        for verb in VERBS.values():
            if verb.function.__module__ == subject.__name__:
                lines += verb_lines(verb)
    return "\n".join(lines)


def verb_lines(verb: Verb) -> list[str]:
    """A verb with the options that are its own; those of a recipe and of every verb are said once."""
    arguments = taken_by(verb)
    shared = {"--json", *(["--dataset", "--config", "--set"] if takes_recipe(verb) else [])}
    positional = [argument.name + " …" * (argument.token_count()[1]) for argument in arguments if argument.is_positional_only()]
    options = [argument for argument in arguments if not argument.is_positional_only() and argument.name not in shared]
    rows = [(f"`{option.name}`" + " (required)" * bool(option.required), option.parameter.help or "") for option in options]
    recipe = " Takes a [recipe](#recipes)." if takes_recipe(verb) else ""
    usage = " ".join([verb.name, *positional])
    about = inspect.getdoc(verb.function).replace("\n", " ")
    return [f"`{usage}`: {about}{recipe}", "", *([*table(("Option", "What it does"), rows), ""] if rows else [])]


def taken_by(verb: Verb) -> list[Argument]:
    """What a person can give to a verb."""
    command = reduce(getitem, verb.name.split(), app)
    return [argument for argument in command.assemble_argument_collection(default_parameter=USUAL) if argument.show]


def takes_recipe(verb: Verb) -> bool:
    return any(parameter.annotation is RecipeOptions for parameter in inspect.signature(verb.function).parameters.values())


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


def of_methods(page: str) -> str:
    """docs/methods.md with the settings of each training, and every part in short."""
    from core.training.adapters.settings import AdapterTraining, PreferenceTraining
    from core.training.encoders.rag_settings import RagTraining
    from core.training.encoders.settings import TrainConfig
    from core.training.faithfulness.settings import FaithfulnessTraining
    from core.training.heads.settings import HeadTraining
    from core.training.rerankers.settings import RerankerTraining

    trainings = {
        "": TrainConfig,
        "reranker-": RerankerTraining,
        "faithfulness-": FaithfulnessTraining,
        "heads-": HeadTraining,
        "rag-": RagTraining,
    }
    trainings |= {"adapter-": AdapterTraining}
    for name, config in trainings.items():
        page = filled(page, f"{name}training", _knobs(config))
    page = filled(page, "preference-training", _knobs(PreferenceTraining, set(PreferenceTraining.__annotations__)))
    return filled(page, "parts", in_short())


def _knobs(settings: type, only: Container[str] = ()) -> str:
    """only: of these fields; (): of all."""
    of, rows = settings.model_json_schema()["properties"], []
    for name, info in settings.model_fields.items():
        if only and name not in only:
            continue
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
