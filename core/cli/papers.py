"""Papers: their figures, tables and numbers, traced back to trials, and bundles that anyone can recompute."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

from core.cli.frame import subject, verb
from core.cli.options import Positive, Text, keep_apart, read_settings
from core.cli.tables import show_table, show_value

subject("paper", "Papers and their items.")

WORDS = ("title", "authors", "abstract", "caption", "panel", "unit", "text")  # which are no YAML
Digits = Annotated[int, Parameter(help="Digits behind the point.")]
Trials = Annotated[
    tuple[str, ...],
    Parameter(consume_multiple=(1, 1_000), help="Trials that it rests on besides those it names; of sql also records of labs."),
]


def show_paper(paper: dict[str, Any]) -> None:
    """Its title, then a line an item."""
    from core.labs.papers import sources

    show_value({name: paper[name] for name in ("id", "title", "authors") if paper[name]})
    rows = [
        {
            "item": item["name"],
            "kind": item["kind"],
            "trials": len(item["trials"]),
            "command": sources.shown(item["command"]),
            "caption": item["caption"],
        }
        for item in paper["items"]
    ]
    show_table(rows)


def show_held(results: list[dict[str, Any]]) -> None:
    """What holds, what does not, and what could not be checked, which is said in the end once more."""
    words = {True: "holds", False: "DOES NOT HOLD", None: "NOT CHECKED"}
    show_table([{"what": row["what"], "result": words[row["holds"]], "told": row["told"]} for row in results])
    counts = Counter(row["holds"] for row in results)
    print(f"\n{counts[True]:,} hold, {counts[False]:,} do not, {counts[None]:,} could not be checked.")


def all_hold(results: list[dict[str, Any]]) -> bool:
    return all(row["holds"] is not False for row in results)


def some_unchecked(results: list[dict[str, Any]]) -> bool:
    return any(row["holds"] is None for row in results)


def _told(paper: Any) -> dict[str, Any]:
    return paper.model_dump(mode="json")


@verb("paper create", show_paper)
def create_paper(
    workbench: Any,
    title: Text,
    /,
    *,
    paper_id: Annotated[str, Parameter(name="--id", help="Its name in files (default: from the title).")] = "",
) -> Any:
    """A new paper."""
    from core.labs.papers import paper

    return _told(paper.create(workbench, title, paper_id))


@verb("paper list", show_table)
def papers_stored(workbench: Any) -> list[dict[str, Any]]:
    """The papers, with how many items they have."""
    from core.labs.papers import paper

    return [{"paper": each.id, "title": each.title, "items": len(each.items)} for each in paper.papers(workbench)]


@verb("paper show", show_paper)
def paper_shown(workbench: Any, paper_id: str, /) -> Any:
    """A paper's items in their order, with their commands."""
    from core.labs.papers import paper

    return _told(paper.load(workbench, paper_id))


@verb("paper number", show_paper)
def add_number(
    workbench: Any,
    paper_id: str,
    name: str,
    command: Annotated[Text, Parameter(help='As in "compare A B --metric recall".')],
    /,
    *,
    value: Annotated[str, Parameter(help="Where it stands in the answer, as in metrics.recall.mean.")] = "",
    form: Annotated[Literal["plain", "signed", "percent", "p"], Parameter(help="How it is written.")] = "plain",
    digits: Digits = 3,
    unit: Annotated[str, Parameter(help="Written behind it.")] = "",
    caption: Annotated[Text, Parameter(help="What it is, in words.")] = "",
    trials: Trials = (),
) -> Any:
    """Take a number into a paper: a macro of LaTeX, with its command, trials and checksum."""
    from core.labs.papers import paper, sources

    fields = {"kind": "number", "name": name, "value": value, "form": form, "digits": digits, "unit": unit, "caption": caption}
    return _told(paper.add(workbench, paper_id, {**fields, "command": sources.split(command), "trials": _ids(workbench, trials)}))


@verb("paper table", show_paper)
def add_table(
    workbench: Any,
    paper_id: str,
    name: str,
    command: Annotated[Text, Parameter(help='As in "trials table A B C --metric recall".')],
    /,
    *,
    caption: Text = "",
    width: Annotated[float, Parameter(help="In mm: a column has 84, a page 174.")] = 84,
    digits: Digits = 3,
    trials: Trials = (),
) -> Any:
    """Take a table into a paper."""
    from core.labs.papers import paper, sources

    fields = {"kind": "table", "name": name, "caption": caption, "width_mm": width, "digits": digits}
    return _told(paper.add(workbench, paper_id, {**fields, "command": sources.split(command), "trials": _ids(workbench, trials)}))


@verb("paper text", show_paper)
def add_text(
    workbench: Any,
    paper_id: str,
    text: Annotated[Text, Parameter(help="Markdown; {NAME} stands for a number, table or figure of the paper.")],
    /,
    *,
    at: Annotated[Positive | None, Parameter(help="Which of the items it becomes, counted from 1 (default: the last).")] = None,
    place: Annotated[
        Literal["before", "results", "after"], Parameter(help="Ahead of the methods, among the results, or behind them.")
    ] = "results",
) -> Any:
    """Put words into a paper: between its figures and tables, ahead of its methods or behind its results."""
    from core.labs.papers import paper

    return _told(paper.add_text(workbench, paper_id, text, at, place))


@verb("paper figure", show_paper)
def add_figure(
    workbench: Any,
    paper_id: str,
    name: str,
    command: Annotated[Text, Parameter(help='As in "trials table A B C --metric recall".')],
    /,
    *,
    drawing: Annotated[Literal["means", "differences"], Parameter(help="Of the metrics, or from the reference.")] = "means",
    caption: Text = "",
    width: Annotated[float, Parameter(help="In mm: a column has 84, a page 174.")] = 84,
    panel: Annotated[str, Parameter(help="A letter in its corner; figures with letters that follow each other are one.")] = "",
) -> Any:
    """Take a figure into a paper, drawn from a table of results. Charts of pages come from their export menu."""
    from core.labs.papers import paper, sources

    fields = {"kind": "figure", "name": name, "caption": caption, "width_mm": width, "panel": panel, "drawing": drawing}
    return _told(paper.add(workbench, paper_id, {**fields, "command": sources.split(command)}))


@verb("draw")
def draw_figure(
    spec: Path,
    out: Path,
    /,
    *,
    width: Annotated[float, Parameter(help="In mm: a column has 84, a page 174.")] = 84,
    dpi: Annotated[int, Parameter(help="Of PNG.", validator=Number(gte=72, lte=1200))] = 600,
    panel: Annotated[str, Parameter(help="A letter in its corner.")] = "",
    serif: Annotated[bool, Parameter(help="Type with serifs, as LaTeX has it.")] = False,
) -> Any:
    """Draw a figure again from its plotly mapping, as PDF, SVG or PNG by the name of the file."""
    from core.labs.papers import bundle

    keep_apart(out, spec)
    return bundle.drawn_again(spec, out, width, dpi, panel, serif)


@verb("paper change", show_paper)
def change_paper(
    workbench: Any,
    paper_id: str,
    name: Annotated[str, Parameter(help="Of the item; empty: the paper itself.")] = "",
    /,
    *,
    settings: Annotated[tuple[str, ...], Parameter(name="--set", help="FIELD=VALUE, as in caption=…, width_mm=174; repeatable.")],
) -> Any:
    """Another title, abstract, caption, width, text, place or way of writing; what the items show stays."""
    from core.labs.papers import paper

    words = (text.partition("=") for text in settings)  # of an author: a title may be 2024, and hold ": " or " # "
    fields = read_settings(settings) | {field: value for field, _, value in words if field in WORDS}
    return _told(paper.change_item(workbench, paper_id, name, **fields) if name else paper.change(workbench, paper_id, **fields))


@verb("paper move", show_paper)
def move_item(workbench: Any, paper_id: str, name: str, place: Positive, /) -> Any:
    """Put an item at another place, counted from 1."""
    from core.labs.papers import paper

    return _told(paper.move(workbench, paper_id, name, place))


@verb("paper remove", show_paper)
def remove_item(workbench: Any, paper_id: str, name: str, /) -> Any:
    """Take an item out of a paper; its trials stay."""
    from core.labs.papers import paper

    return _told(paper.remove(workbench, paper_id, name))


@verb("paper check", show_held, healthy=all_hold, unchecked=some_unchecked)
def check_paper(workbench: Any, paper_id: str, /) -> Any:
    """Whether each item shows what its command answers now; exit code 1 where one does not, 3 where one could not be checked."""
    from core.labs.papers import checking

    return checking.check(workbench, paper_id)


@verb("paper refresh", show_paper)
def refresh_paper(workbench: Any, paper_id: str, /) -> Any:
    """Recompute every item and keep what they show now."""
    from core.labs.papers import paper

    return _told(paper.take_again(workbench, paper_id))


@verb("export")
def export_paper(
    workbench: Any,
    paper_id: Annotated[
        str, Parameter(name="PAPER", help="A paper, or the zip or folder of a bundle to make anew from its records.")
    ],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="The file (default: the paper's name with .zip).")] = None,
) -> Any:
    """A paper as a zip: LaTeX, figures, tables, numbers, and the raw records from which anyone can recompute them."""
    from core.labs.papers import bundle

    if paper_id.endswith(".zip") or (Path(paper_id) / "paper.yaml").is_file():
        keep_apart(out, paper_id)
        return bundle.again(Path(paper_id), out)
    return bundle.export(workbench, paper_id, out)


@verb("paper-report")
def paper_report(
    workbench: Any,
    paper_id: Annotated[str, Parameter(name="PAPER")],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="The file (default: the paper's name with .html).")] = None,
) -> Any:
    """A paper as one page of HTML that loads nothing: texts, figures, tables and numbers in their order."""
    from core.labs.papers import bundle

    return bundle.report(workbench, paper_id, out)


@verb("paper-pdf")
def paper_pdf(
    file: Annotated[Path, Parameter(name="BUNDLE", help="A bundle's zip or folder.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="The file (default: the bundle's name with .pdf).")] = None,
) -> Any:
    """The PDF of a bundle, by this machine's pdflatex, which can run no program."""
    from core.labs.papers import typesetting

    keep_apart(out, file)
    return typesetting.typeset(file, out)


@verb(
    "verify-paper",
    show_held,
    healthy=all_hold,
    unchecked=some_unchecked,
    job_keeps=lambda results: [list(row) for row in results],
)
def verify_paper(file: Path, /) -> Any:
    """Recompute every number of a bundle from its raw records; exit code 1 where one does not hold, 3 where one could not be
    checked."""
    from core.labs.papers import verification

    return verification.verify(file)


def show_results(table: dict[str, Any]) -> None:
    """As Markdown."""
    from core.report import tables

    print(tables.markdown(table, "", 3), end="")


@verb("trials-table", show_results)
def trials_table(
    workbench: Any,
    trials: Annotated[tuple[str, ...], Parameter(consume_multiple=(1, 1_000))],
    /,
    *,
    metric: Annotated[tuple[str, ...], Parameter(help="As `list metric` names them; repeatable.")] = (),
    cost: Annotated[tuple[str, ...], Parameter(help="As `trials frontier` names them; repeatable.")] = (),
    reference: Annotated[str, Parameter(help="The trial that others are tested against (default: the first).")] = "",
) -> Any:
    """Trials as a table of a paper: means with intervals, the best with those not significantly different from it, marks of the tests."""
    from core.labs.papers import results_table

    return results_table.table(workbench, trials, metric, cost, reference)


def _ids(workbench: Any, words: tuple[str, ...]) -> list[str]:
    from core.labs.papers import sources

    return [sources.record_id(workbench, word) for word in words]
