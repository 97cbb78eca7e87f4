"""Articles: written on evidence, edited, decided, published."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from core.cli.frame import subject, verb
from core.cli.options import USUAL, RecipeOptions, Text
from core.cli.tables import show_columns

subject("articles", "Articles on the evidence of a corpus: written, edited by a gate, decided by people, published with sources.")


def show_article(told: dict[str, Any]) -> None:
    """The last draft with its evidence, and what is due."""
    for row in told["sentences"]:
        why = f"  <- {row['sent_back']}" if row["sent_back"] else ""
        print(f"{row['number']}. {row['text']} [{row['document']}, {row['way']}]{why}")
    print(f"\n{told['id']}: {told['state']}" + "".join(f"; {reason}" for reason in told["reasons"]))


def _told(made: Any) -> dict[str, Any]:
    from core.articles.shown import sentence_rows
    from core.articles.steps import plain_steps

    about = {"id": made.id, "topic": made.topic, "state": made.state, "reasons": made.gate.get("reasons", [])}
    return {**about, "sentences": sentence_rows(made), "publication": made.publication, "steps": plain_steps(made)}


def _list(rows: list[dict[str, Any]]) -> None:
    from core.articles.shown import articles_table

    show_columns(articles_table(rows))


def show_gate(value: dict[str, Any]) -> None:
    """The curve, and whether the judge tells anything."""
    from core.articles.shown import gate_table
    from core.report.table import MEAN, between

    made = gate_table(value)
    show_columns(made)
    print(
        f"{made.note}. AUC {value['auc']['mean']:.3f} ({between(value['auc']['low'], value['auc']['high'], MEAN) or 'no interval'})."
    )
    if not value["tells"]:
        print("This gate does not separate faithful drafts from others here: do not rely on it.")


@verb("articles write", show_article, job_keeps=lambda told: told["id"])
def write_an_article(
    workbench: Any,
    topic: Annotated[Text, Parameter(help="A line; or the id of an article, which goes on by its own recipe.")],
    /,
    *,
    recipe: RecipeOptions = USUAL,
) -> Any:
    """Research, draft and edit an article on a topic; goes on where it was stopped, and after a person sent it back."""
    from core.articles.writing import write_article

    return _told((yield from write_article(workbench, recipe.read(), topic)))


@verb("articles list", _list)
def list_articles(workbench: Any) -> list[dict[str, Any]]:
    """All articles, the newest first, with their state."""
    from core.articles.shown import article_row
    from core.articles.steps import articles

    return [article_row(made) for made in articles(workbench)]


@verb("articles show", show_article)
def show(workbench: Any, article: str, /) -> dict[str, Any]:
    """An article's last draft, with evidence, support and what was sent back."""
    from core.articles.steps import the_article

    return _told(the_article(workbench, article))


@verb("articles decide", show_article)
def decide_article(
    workbench: Any,
    article: str,
    /,
    *,
    who: Annotated[Text, Parameter(help="Who decides.")],
    why: Annotated[Text, Parameter(help="Why; it stands below the article.")],
    back: Annotated[bool, Parameter(help="Send it back: the sentences that the gate named are rewritten.", negative="")] = False,
) -> Any:
    """Let a draft out against the gate, or send it back."""
    from core.articles.publishing import decide
    from core.articles.writing import go_on

    decide(workbench, article, not back, who, why)
    return _told((yield from go_on(workbench, article)))


@verb("articles publish", show_article)
def publish_article(workbench: Any, article: str, folder: Path, /) -> Any:
    """Check each claim once more and write Markdown and HTML with their sources into a new folder."""
    from core.articles.publishing import publish

    return _told((yield from publish(workbench, article, folder)))


@verb("articles gate", show_gate)
def measure_gate(workbench: Any, file: Path, /, *, recipe: RecipeOptions = USUAL) -> Any:
    """The gate against people on a file of QAGS: what it lets out wrongly and sends back wrongly, over its thresholds."""
    from core.articles.against_people import gate_against_people

    return gate_against_people(workbench, recipe.read(), file)
