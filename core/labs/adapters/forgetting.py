"""What an adapter made the model forget: how much less likely it finds other text than the model without it does.

Perplexity of documents that the adapter has nothing to do with, paired by document. What was read once is recorded by content, so that a
job that was stopped goes on. Verb of the page Compare adapters.
"""

from collections.abc import Generator, Sequence
from typing import Any, NamedTuple

import numpy as np

from core.comparison.comparison import rules_of
from core.config import TrialConfig, code_version, fingerprint, with_settings
from core.errors import WorkbenchError
from core.generation.loading import loaded
from core.generation.torch_texts import text_nats
from core.labs.adapters.grid import AdapterSide, checked_sides, side_config, sides
from core.labs.adapters.training import has_learnt_from
from core.models.adapters import weights_of
from core.progress import told_within
from core.records import Corpus, Progress
from core.report.table import SIGNED, TWO, Column, Table, between, corrected_p
from core.statistics.bootstrap import Interval, intervals
from core.statistics.corrections import correct_defined
from core.statistics.paired import Paired
from core.store.batches import batches
from core.workbench import Workbench

CORPUS, DOCUMENTS, TOKENS = "python-reference", 40, 256  # where nobody says otherwise, and no adapter has learnt from it
KIND = "likelihoods"  # of the records
AT_ONCE = 4  # texts between two looks at whether to go on
DEADLINE_S = 600.0
CHARACTERS = 40  # of a text, so many a token are looked at


class OtherText(NamedTuple):
    """A side on the documents. nats: a token, mean over documents; against: minus the model without adapter, by document."""

    side: AdapterSide
    documents: int
    tokens: int
    nats: Interval
    against: Paired | None

    @property
    def perplexity(self) -> tuple[float | None, float | None, float | None]:
        """exp of the mean and of its interval."""
        return tuple(None if value is None else float(np.exp(value)) for value in self.nats[:3])


class Forgetting(NamedTuple):
    corpus: str
    rows: list[OtherText]


def forgetting(
    workbench: Workbench,
    config: TrialConfig,
    names: Sequence[str],
    scales: Sequence[float] = (1.0,),
    corpus: str = "",
    documents: int = DOCUMENTS,
    tokens: int = TOKENS,
) -> Generator[Progress, None, Forgetting]:
    """Reads what was not read yet, and compares. corpus: "": one that none of the adapters has learnt from."""
    every, records = checked_sides(config, names, scales), batches(workbench.home)
    corpus = corpus or other_corpus(workbench, names)
    texts = _texts(corpus, (yield from workbench.read_corpus(_of(config, corpus))), config, documents)
    for number, side in enumerate(every):
        part, far = side_config(config, side).generation, f"{side.title} ({number:,} of {len(every):,} done)"
        keys = _keys(part, texts, tokens)
        there = records.read(KIND, keys)
        absent = [(key, text) for key, text in zip(keys, texts, strict=True) if key not in there]
        if absent:
            yield from loaded(part)
        for first in range(0, len(absent), AT_ONCE):
            some = absent[first : first + AT_ONCE]
            cut = [text[: CHARACTERS * tokens] for _, text in some]
            read = yield from told_within(part.text_nats(cut, tokens, DEADLINE_S), Progress(first, len(absent), far))
            values = {key: {"logprob": -nats, "tokens": count} for (key, _), (nats, count) in zip(some, read, strict=True)}
            records.keep(KIND, values, identity=part.identity())
    made = _rows(workbench, config, every, texts, tokens)
    return Forgetting(corpus, made)


def other_corpus(workbench: Workbench, names: Sequence[str], in_use: str = "") -> str:
    """A corpus at hand that none of these adapters has learnt from, if there is one another than that in use; CORPUS where they have
    learnt from all."""
    there = [status.name for status in workbench.datasets() if status.present]
    able = [name for name in (CORPUS, *there) if name in there and not learnt(names, name)]
    return next((name for name in able if name != in_use), able[0] if able else CORPUS)


def learnt(names: Sequence[str], corpus: str) -> list[str]:
    """Those of these adapters that were trained on something of the corpus."""
    return [each for name in names for each in weights_of(name) if has_learnt_from(each, corpus)]


def standing(
    workbench: Workbench,
    config: TrialConfig,
    names: Sequence[str],
    scales: Sequence[float],
    corpus: str,
    documents: int = DOCUMENTS,
) -> Forgetting | None:
    """What is known, once all of it is. Asks no model, and reads no corpus that was never read."""
    run = workbench.pipeline.at_hand(_of(config, corpus))
    if run is None:
        return None
    texts = _texts(corpus, run.corpus, config, documents)
    rows = _rows(workbench, config, sides(names, scales), texts, TOKENS)
    return Forgetting(corpus, rows) if rows else None


def _of(config: TrialConfig, corpus: str) -> TrialConfig:
    return with_settings(TrialConfig(seed=config.seed), {"corpus.dataset": corpus})


def _texts(name: str, corpus: Corpus, config: TrialConfig, documents: int) -> list[str]:
    """Drawn once; a larger sample contains the smaller."""
    texts = [document.text for document in corpus.documents if len(document.text.split()) > 1]
    if len(texts) < 2:
        raise WorkbenchError("There are not two texts to read.", where=name, todo="Name a corpus with more documents.")
    return [texts[place] for place in np.random.default_rng(config.seed).permutation(len(texts))[:documents]]


def _keys(part: Any, texts: Sequence[str], tokens: int) -> list[str]:
    settings = fingerprint(part.identity(), tokens, code_version(text_nats))
    return [fingerprint(settings, text) for text in texts]


def _rows(
    workbench: Workbench, config: TrialConfig, every: Sequence[AdapterSide], texts: Sequence[str], tokens: int
) -> list[OtherText]:
    """[] where something is not read yet."""
    rules, rows = rules_of(config), []
    base: np.ndarray | None = None
    for side in every:
        keys = _keys(side_config(config, side).generation, texts, tokens)
        read = batches(workbench.home).read(KIND, keys)
        if len(read) < len(set(keys)):
            return []
        table = np.array(
            [(-read[key]["logprob"], read[key]["tokens"]) for key in keys], np.float64
        )  # [documents, 2]: nats, tokens
        nats = np.divide(table[:, 0], table[:, 1], out=np.full(len(table), np.nan), where=table[:, 1] > 0)
        against = None if base is None else rules.difference(nats, base)
        base = nats if base is None else base
        rows.append(OtherText(side, int((table[:, 1] > 0).sum()), int(table[:, 1].sum()), intervals(nats, *rules)[0], against))
    return rows


def rows_of(made: Forgetting) -> list[dict[str, Any]]:
    """A row a side, as the page and the command show it; Holm's correction over them."""
    rows = []
    for each, p in zip(made.rows, _corrected(made), strict=True):
        perplexity, low, high = each.perplexity
        row = {"adapter": each.side.title, "documents": each.documents, "tokens": each.tokens}
        row |= {"perplexity": perplexity, "low": low, "high": high}
        row |= {f"nats {name}": each.against and getattr(each.against, name) for name in ("difference", "low", "high", "p")}
        rows.append(row | {"p (Holm)": p})
    return rows


def _corrected(made: Forgetting) -> list[float | None]:
    return correct_defined([each.against and each.against.p for each in made.rows])


def table(made: Forgetting, command: str = "") -> Table:
    rows = [row | {"interval": between(row["nats low"], row["nats high"])} for row in rows_of(made)]
    columns = (
        Column("adapter"),
        *(Column(name, "", TWO) for name in ("perplexity", "low", "high")),
        Column(
            "nats difference", "Nats a token", SIGNED, "More than without any adapter, paired by document. Above 0: less likely."
        ),
        Column("interval"),
        corrected_p(),
        Column("documents"),
        Column("tokens"),
    )
    return Table("forgetting", columns, rows, f"Perplexity of other text, {made.corpus}", "", command)


def sentences(made: Forgetting, level: float) -> list[str]:
    """Whether an adapter's difference is told apart from none."""
    own = list(dict.fromkeys(learnt([each.side.adapter for each in made.rows], made.corpus)))
    told = [f"{', '.join(own)} was trained on {made.corpus}: it shows no forgetting."] if own else []
    for each, corrected in zip(made.rows, _corrected(made), strict=True):
        paired = each.against
        if paired is None or corrected is None:
            continue
        change = float(np.exp(paired.difference)) - 1
        p = "p < 0.001" if corrected < 0.001 else f"p {corrected:.3f}"
        if corrected >= 1 - level:
            told.append(f"{each.side.title}: no significant change of perplexity on {made.corpus} ({change:+.1%}, {p}).")
        else:
            way, much = ("has forgotten", "higher") if change > 0 else ("finds it likelier", "lower")
            told.append(f"{each.side.title} {way}: its perplexity on {made.corpus} is {abs(change):.1%} {much} ({p}).")
    return told
