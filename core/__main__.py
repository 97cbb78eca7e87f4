"""The command line: `python -m core VERB …`. The same verbs as the pages.

Exit codes: 0 done, 1 failed, 2 wrong usage. With --json, standard output holds one JSON document and nothing else.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from core import config as recipes
from core import files, registry
from core.errors import WorkbenchError, missing_package
from core.records import Progress

MOST_VALUES = 100_000  # of one setting in a grid
MOST_NOTICES = 5


def main(arguments: list[str] | None = None) -> int:
    _open_streams()
    try:
        try:
            return _main(arguments)
        finally:
            sys.stdout.flush()  # a reader that went away is noticed here, not at the interpreter's end
    except OSError as error:  # of a stream: `_main` words all others
        for stream in (sys.stdout, sys.stderr):
            _discard(stream, error)
        return 0 if isinstance(error, BrokenPipeError) else 1  # the reader went away, as `| head` does


def _main(arguments: list[str] | None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        return carry_out(options)
    except (WorkbenchError, ImportError) as error:
        if isinstance(error, ImportError):
            error = missing_package(error)
        if options.json:
            print(json.dumps({"error": {"what": error.what, "where": error.where, "todo": error.todo}}))
        else:
            lines = [f"Failed: {error.what}", error.where and f"  where: {error.where}", error.todo and f"  to do: {error.todo}"]
            print("\n".join(filter(None, lines)), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nCancelled; what was finished is kept.", file=sys.stderr)
        return 1


def _open_streams() -> None:
    """Standard streams that were closed lead nowhere; else the next file opened would get their number, and our words."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, this one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115, as long as the process lives


def _discard(stream: Any, error: OSError) -> None:
    """Says on standard error why the output is cut off. What is still in a buffer would fail again at the interpreter's
    end."""
    try:
        if stream is sys.stderr and not isinstance(error, BrokenPipeError):
            print(f"Failed: the output could not be written: {error.strerror}.", file=stream)
        stream.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def carry_out(options: argparse.Namespace) -> int:
    """Runs the verb and prints what it returns."""
    from core.workbench import Workbench, plain

    with _worded():
        workbench = Workbench()
    try:
        with _worded():
            if options.job:
                from core.jobs.jobs import drive

                keep = plain if options.verb == "annotate" else None
                drive(_in_steps(workbench, options), options.job, workbench.home, keep)
                return 0
            work = options.verb_function(workbench, options)
        result = plain(finish(work, quiet=options.json) if hasattr(work, "send") else work)
    finally:
        tell([*workbench.store.told(), *files.notices])
    if options.json:
        print(json.dumps(result, ensure_ascii=False, default=str))
    else:
        options.show(result)
    return 1 if options.verb in ("verify", "doctor", "ingest", "ask", "annotate") and not _healthy(options.verb, result) else 0


@contextmanager
def _worded() -> Iterator[None]:
    """What the system refuses to the work, as an error for people; what it refuses to the output is another matter."""
    try:
        yield
    except OSError as error:
        if files.errno_of(error) in files.FULL:
            raise files.disk_error(error, "A file", Path(error.filename or files.home())) from error
        raise WorkbenchError(f"{error.strerror or error}.", where=str(error.filename or "")) from error


def tell(notices: list[str]) -> None:
    """What the store has repaired or left out, beside whatever the verb says."""
    for notice in notices[:MOST_NOTICES]:
        print(f"Note: {notice}", file=sys.stderr)
    if more := notices[MOST_NOTICES:]:
        print(f"Note: {len(more):,} more; `python -m core verify` names them.", file=sys.stderr)


def _in_steps(workbench: Any, options: argparse.Namespace) -> Any:
    """A verb as a job takes it, also one that tells no progress."""
    work = options.verb_function(workbench, options)
    return (yield from work) if hasattr(work, "send") else work


def _healthy(verb: str, result: Any) -> bool:
    if verb == "verify":
        return result["ok"]
    if verb == "annotate":  # `check` alone says whether all is well
        return not isinstance(result, dict) or result.get("ok", True)
    if verb == "ask":
        return not result["finish_reason"].startswith("failed")
    if verb == "ingest":
        return all(file["status"] != "failed" for file in result)
    return all(finding["ok"] is not False for finding in result)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m core", description="Groundwork on the command line.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(name: str, function: Any, help: str, show: Any = None) -> argparse.ArgumentParser:
        one = verbs.add_parser(name, help=help, description=help)
        one.add_argument("--json", action="store_true", help="one JSON document on standard output, nothing else")
        one.add_argument("--job", default="", help=argparse.SUPPRESS)  # set by a page that started this as a job
        one.set_defaults(verb_function=function, show=show or show_table)
        return one

    def recipe(one: argparse.ArgumentParser) -> None:
        one.add_argument("--dataset", help="name of the corpus, as `datasets` lists it")
        one.add_argument("--config", type=Path, help="a recipe as YAML")
        one.add_argument("--set", action="append", default=[], metavar="STAGE.FIELD=VALUE", help="change one setting; repeatable")

    one = verb("list", lambda w, o: listing(o.kind), "the parts of a kind, or all settings")
    one.add_argument("kind", choices=[*registry.FOLDERS, "settings"])
    verb("datasets", lambda w, o: w.datasets(), "the corpora at hand and those to download")
    one = verb("download", lambda w, o: w.library.download(o.dataset), "fetch a data set from its publisher", show_value)
    one.add_argument("dataset")
    one = verb("ingest", lambda w, o: w.library.ingest(o.name, o.files, o.questions), "make a corpus of own documents")
    one.add_argument("name")
    one.add_argument("files", nargs="+", type=Path)
    one.add_argument("--questions", type=Path, help="CSV, JSONL, SQuAD JSON or BEIR folder")
    one = verb("prepare", prepare, "chunk, embed and index, so that sliders answer at once", show_value)
    recipe(one)
    one.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="STAGE.FIELD=A,B,C | START:STOP:STEP",
        help="each of these values in turn; repeatable",
    )
    one = verb("curve", curve, "one setting over its range: metrics, and the context they cost; nothing is stored", show_curve)
    recipe(one)
    one.add_argument("--grid", required=True, metavar="STAGE.FIELD=A,B,C | START:STOP:STEP")
    one.add_argument("--metric", action="append", default=[], help="as `list metric` names them; repeatable")
    one.add_argument(
        "--budget",
        type=positive,
        default=0,
        metavar="TOKENS",
        help="of context that every value gets for a question (default: the first k chunks)",
    )
    one.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="STAGE.FIELD=VALUE",
        help="paired differences to the recipe with this setting; repeatable (default: the recipe, where it is one of "
        "the values)",
    )
    recipe(verb("run", lambda w, o: run_and_show(w, read_recipe(o)), "measure a recipe and store it as a trial", show_trial))
    one = verb(
        "sweep", lambda w, o: w.sweep(read_recipe(o), read_grid(o.grid)), "a stored trial for each point of a grid", show_value
    )
    recipe(one)
    one.add_argument(
        "--grid", action="append", default=[], metavar="STAGE.FIELD=A,B,C | START:STOP:STEP", help="repeatable", required=True
    )
    one = verb(
        "train-encoder",
        lambda w, o: w.train_encoder(read_recipe(o), o.name, read_settings(o.train)),
        "a dual encoder, trained on the questions of a corpus",
        show_value,
    )
    one.add_argument("name")
    one.add_argument("--train", action="append", default=[], metavar="FIELD=VALUE", help="how it is trained; repeatable")
    recipe(one)
    one = verb("train-moe", train_moe, "a small mixture of experts, trained on the texts of a corpus")
    one.add_argument("--train", action="append", default=[], metavar="FIELD=VALUE", help="how it is made and trained; repeatable")
    one.add_argument("--both", action="store_true", help="also without the balancing loss, to compare")
    recipe(one)
    one = verb("index-sweep", index_sweep, "recall, speed and size of index settings, stored")
    recipe(one)
    one.add_argument(
        "--grid", action="append", default=[], metavar="index.FIELD=A,B,C | START:STOP:STEP", help="repeatable", required=True
    )
    one.add_argument("--again", action="store_true", help="measure also what is stored already")
    recipe(verb("index-points", index_points, "what was measured of the indexes of these vectors"))
    one = verb("index-cost", index_cost, "what an index setting costs ranking quality, with a test of equivalence", show_cost)
    recipe(one)
    one.add_argument("--grid", action="append", default=[], metavar="index.FIELD=A,B,C", help="repeatable")
    one.add_argument("--margin", type=float, default=1.0, help="points (hundredths) within which two means are equal")
    one = verb("sample-study", sample_study, "diversity against quality of sampled answers, by sampling chain, stored")
    recipe(one)
    one.add_argument(
        "--chain",
        action="append",
        default=[],
        metavar="STEPS",
        required=True,
        help="such as 'top_k=40 temperature=0.8', 'greedy' or 'none'; repeatable",
    )
    one.add_argument("--samples", type=positive, default=5, help="answers a question and chain")
    one.add_argument("--questions", type=positive, default=20, help="questions, spread evenly over the corpus")
    one = verb("trials", lambda w, o: w.trials(o.limit), "stored trials, newest first", show_trials)
    one.add_argument("--limit", type=positive, default=50)
    one = verb("show", lambda w, o: w.measured(o.id), "one trial: metrics with intervals, config and raw rankings", show_record)
    one.add_argument("id")
    one = verb(
        "describe",
        lambda w, o: w.describe(o.id, o.name, o.note, None if o.tags is None else o.tags.split(",")),
        "name a trial, add a note, tag it; says what it is called where nothing is given",
        show_value,
    )
    one.add_argument("id")
    one.add_argument("--name")
    one.add_argument("--note")
    one.add_argument("--tags", metavar="A,B", help="all its tags, in place of those it had")
    one = verb(
        "compare", lambda w, o: w.compare(o.a, o.b, o.metric, o.k), "trial B minus trial A, paired by question", show_value
    )
    one.add_argument("a")
    one.add_argument("b")
    one.add_argument("--metric", default="ndcg_linear", help="as `list metric` names them")
    one.add_argument("--k", type=positive, help="depth (default: that of trial A)")
    one = verb("frontier", frontier, "quality against cost of stored trials: which no other beats")
    one.add_argument("--metric", default="ndcg_linear", help="as `list metric` names them")
    one.add_argument(
        "--cost", default="context_at_k", help="context_at_k, latency_ms, chunks, tokens_indexed, context_tokens or total_ms"
    )
    one.add_argument("--dataset", default="", help="only this corpus")
    one = verb("search", lambda w, o: w.search(read_recipe(o), o.question), "the ranking for a question", show_hits)
    one.add_argument("question")
    recipe(one)
    one = verb("ask", ask, "an answer with citations", show_answer)
    one.add_argument("question")
    one.add_argument("--again", action="store_true", help="run the same prompt twice and compare the two answers")
    recipe(one)
    recipe(
        verb(
            "convert-model",
            lambda w, o: w.convert_model(read_recipe(o)),
            "a faster copy of the recipe's model file, measured and kept",
            show_value,
        )
    )
    recipe(
        verb(
            "measure-engine",
            measure_engine,
            "speed of the recipe's engine here: batches, passages kept in memory, formats of the weights",
            show_value,
        )
    )
    annotate_verbs(verb, recipe)
    one = verb("sql", lambda w, o: sql(w, o.statement), "read-only SQL over everything stored")
    one.add_argument("statement")
    verb("verify", lambda w, o: w.store.verify(), "check journal and database", show_value)
    verb("rebuild", lambda w, o: w.store.rebuild(), "make the database anew from the journal", show_value)
    one = verb("backup", lambda w, o: w.store.backup(o.file), "journal and database in one file", show_value)
    one.add_argument("file", type=Path)
    one = verb(
        "doctor", lambda w, o: w.doctor(o.kept), "what this machine offers, and what to do about what is missing", show_doctor
    )
    one.add_argument(
        "--kept", action="store_true", help="what earlier trials of the engines found here counts; else each is tried anew"
    )
    return parser


def annotate_verbs(verb: Any, recipe: Any) -> None:
    """The verbs of human evaluation: `agreement`, `answer-questions`, and `annotate ACTION`."""
    one = verb("agreement", agreement, "how far annotators agree, from a file of labels", show_agreement)
    one.add_argument(
        "file", type=Path, help="an export of ours (folder or file), Label Studio's JSON in it, CSV, QAGS, or a study"
    )
    one.add_argument("--part", choices=("sentences", "helpful", "preference"), default="", help="default: the first")
    one.add_argument("--round", choices=("pilot", "main", "adjudication"), default="", help="default: the last")
    one.add_argument("--level", choices=("nominal", "ordinal", "interval", "ratio"), default="", help="of measurement")
    one.add_argument("--consensus", choices=("mean", "majority", "adjudicated", "dawid_skene"), default="")
    one.add_argument(
        "--yes", action="append", default=[], metavar="LABEL", help="counts as yes; repeatable. Of numbers the least"
    )
    one.add_argument("--resamples", type=positive, default=2000)
    one.add_argument("--annotators", action="store_true", help="each annotator beside the others")
    one.add_argument("--disputed", action="store_true", help="what people differ in, most disputed first")
    one.add_argument(
        "--growth",
        type=float,
        nargs="?",
        const=0.0,
        metavar="HALF_WIDTH",
        help="alpha as labels came in, and when the stop rule was met (default: the study's, else 0.1)",
    )
    one.add_argument("--systems", action="store_true", help="rates of systems by the consensus, or preferences")
    one.add_argument("--machines", action="store_true", help="n-gram containment against people")
    one.add_argument(
        "--scores",
        type=Path,
        action="append",
        default=[],
        metavar="CSV",
        help="a judge's scores against people: columns unit and score, 0 to 1; repeatable",
    )
    one.add_argument("--whole", action="store_true", help="machines judged by whole answers instead of sentences")
    one.add_argument(
        "--headline",
        type=positive,
        nargs="?",
        const=0,
        metavar="N",
        help="the faithful share of all answers from N with people's labels, the others by machine",
    )
    one = verb("power", power, "how many items and annotators a study needs", show_power)
    one.add_argument(
        "goal", choices=("difference", "means", "rate", "alpha"), metavar="GOAL", help="difference, means, rate or alpha"
    )
    one.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an assumed value; repeatable")
    one.add_argument("--annotators", type=positive, nargs="+", default=[1, 2, 3], metavar="K", help="an item")
    one.add_argument("--items", type=positive, help="default: as many as the target needs")
    one.add_argument("--simulate", action="store_true", help="2,000 simulated studies beside each formula")
    one = verb("answer-questions", answer_questions, "have questions of the corpus answered, and the answers stored", show_value)
    one.add_argument("--count", type=positive, default=30)
    recipe(one)

    actions = verb("annotate", annotate, "studies in which people judge answers", show_value).add_subparsers(
        dest="action", required=True, metavar="ACTION"
    )

    def action(name: str, help: str, *arguments: str) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=help, description=help)
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON document on standard output")
        one.add_argument("--job", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        for argument in arguments:
            one.add_argument(argument)
        return one

    def importing(one: argparse.ArgumentParser) -> None:
        one.add_argument("--keep-good", action="store_true", help="take the good labels although there are problems")
        one.add_argument("--replace", action="store_true", help="take labels also in place of ones that say otherwise")
        one.add_argument(
            "--as",
            dest="names",
            action="append",
            default=[],
            metavar="NAME=ANNOTATOR",
            help="who of the study a name is; repeatable",
        )

    action("list", "the studies, newest first")
    action("show", "a study with its settings, without its items", "study")
    action("draft", "a study from a YAML file; `draw` draws its items from stored answers").add_argument("file", type=Path)
    action("freeze", "stamp the study's hash and open a round", "study").add_argument("round", choices=("pilot", "main"))
    action("adjudicate", "open the last round on what annotators differ in", "study").add_argument("people", nargs="+")
    action("hand-over", "an annotator leaves: what is open goes to the others", "study", "annotator")
    action("close", "end the round although items are open", "study")
    action("check", "whether records and labels are still what was frozen", "study")
    action("progress", "how far each annotator is", "study")
    action("token", "a new token for an annotator, shown once", "study", "annotator")
    one = action("export", "labels as files, with a manifest", "study")
    one.add_argument(
        "--format",
        action="append",
        choices=("jsonl", "csv", "label_studio", "dpo"),
        help="repeatable; else all, dpo of pairs alone",
    )
    one.add_argument("--folder", type=Path, help="default: annotations/STUDY")
    one.add_argument("--round", choices=("", "pilot", "main", "adjudication"), default="")
    one = action("import", "labels from JSONL, CSV or Label Studio's JSON", "study")
    one.add_argument("file", type=Path)
    importing(one)
    one = action("qags", "a file of QAGS as a study with its labels")
    one.add_argument("file", type=Path)
    one.add_argument("--study", default="qags")
    one = action("push", "a project on a Label Studio server", "study")
    one.add_argument("--url", default="", help="default: LABEL_STUDIO_URL")
    one = action("pull", "the annotations of a Label Studio project", "study")
    one.add_argument("project", type=int)
    one.add_argument("--url", default="", help="default: LABEL_STUDIO_URL")
    importing(one)


def positive(text: str) -> int:
    """Type of an argument: a whole number from 1."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("has to be at least 1")
    return number


def read_recipe(options: argparse.Namespace) -> recipes.TrialConfig:
    config = recipes.build(read_yaml(options.config) if options.config else {})
    settings = {"corpus.dataset": options.dataset} if options.dataset else {}
    return recipes.with_settings(config, settings | read_settings(options.set))


def read_yaml(path: Path) -> dict[str, Any]:
    """A file of settings."""
    try:
        mapping = yaml.safe_load(path.read_text("utf-8")) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WorkbenchError(f"The settings cannot be read: {error}", where=str(path), todo="Give a YAML file.") from None
    if not isinstance(mapping, dict):
        raise WorkbenchError("The settings are not a mapping.", where=str(path), todo="See `show ID` for a recipe.")
    return mapping


def read_settings(texts: list[str]) -> dict[str, Any]:
    """{"chunking.size_tokens": 128} from "chunking.size_tokens=128"."""
    settings = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise WorkbenchError(f"'{text}' has no =.", todo="For example --set chunking.size_tokens=128")
        settings[path] = read_value(value)
    return settings


def read_value(text: str) -> Any:
    """A value as YAML reads it; what is no YAML is a word."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def read_grid(texts: list[str]) -> dict[str, list[Any]]:
    """{"fusion.weight": [0.0, 0.1, …]} from "fusion.weight=0:1:0.1" (both ends included) or "…=a,b,c"."""
    grid = {}
    for text in texts:
        path, _, values = text.partition("=")
        try:
            if values.count(":") == 2:
                start, stop, step = (float(v) for v in values.split(":"))
                count = round((stop - start) / step) + 1
                if count > MOST_VALUES:
                    raise ValueError("too many values")
                exact = [round(start + i * step, 10) for i in range(count)]
                grid[path] = [int(v) for v in exact] if all(v.is_integer() for v in (start, stop, step)) else exact
            else:
                grid[path] = [read_value(v) for v in values.split(",")]
        except (ValueError, ZeroDivisionError, OverflowError):
            grid[path] = []
        if not values or not grid[path]:
            raise WorkbenchError(f"'{text}' is no grid.", todo="For example --grid fusion.weight=0:1:0.1")
    return grid


def listing(kind: str) -> list[dict[str, Any]]:
    if kind != "settings":
        return [{"name": name, "what": (cls.__doc__ or "").strip().split("\n")[0]} for name, cls in registry.parts(kind).items()]
    return list(recipes.settings())


def prepare(workbench: Any, options: argparse.Namespace) -> Any:
    from core.labs.trials import curve as setting_curve

    if options.grid:
        return setting_curve.prepare(workbench, read_recipe(options), read_grid(options.grid))
    return workbench.prepare(read_recipe(options))


def curve(workbench: Any, options: argparse.Namespace) -> Any:
    from core.evaluation.metric import metric_names
    from core.labs.trials import curve as setting_curve

    [(setting, wanted)] = read_grid([options.grid]).items()
    offered = setting_curve.metrics_at_budget() if options.budget else metric_names()
    metrics = options.metric or list(offered)
    if unknown := [name for name in metrics if name not in offered]:
        raise WorkbenchError(
            f"'{unknown[0]}' is not measured {'at equal context' if options.budget else 'here'}.",
            where="--metric",
            todo=f"Choose among {', '.join(offered)}.",
        )
    config = read_recipe(options)
    found = yield from setting_curve.curve(workbench, config, setting, wanted, options.budget)
    stage, _, name = setting.partition(".")
    own = getattr(getattr(config, stage), name)
    reference = next((point for point in found if point.value == own), None)
    if options.against:
        other = recipes.with_settings(config, read_settings(options.against))
        reference = setting_curve.point_of(workbench, other, options.budget)
    compared = {name: setting_curve.differences(config, found, reference, name) for name in metrics if reference}
    shown = [point._replace(intervals={name: point.intervals[name] for name in metrics}) for point in found]
    return setting_curve.rows(setting, shown, compared)


def index_sweep(workbench: Any, options: argparse.Namespace) -> Any:
    from core.labs.index import points as index_lab

    grid = read_grid(options.grid)
    return index_lab.rows((yield from index_lab.sweep(workbench, read_recipe(options), grid, again=options.again)))


def index_points(workbench: Any, options: argparse.Namespace) -> Any:
    from core.labs.index import points as index_lab

    return index_lab.rows((yield from index_lab.points(workbench, read_recipe(options))))


def index_cost(workbench: Any, options: argparse.Namespace) -> Any:
    from core.labs.index import points as index_lab

    found = yield from index_lab.cost_curve(workbench, read_recipe(options), read_grid(options.grid), options.margin)
    return index_lab.cost_rows(found)


def sample_study(workbench: Any, options: argparse.Namespace) -> Any:
    from core.labs import sampling as sampling_lab

    study = sampling_lab.study(workbench, read_recipe(options), options.chain, options.samples, options.questions)
    return sampling_lab.rows((yield from study))


def agreement(workbench: Any, options: argparse.Namespace) -> Any:
    """The coefficients, and what else is asked for."""
    from core.agreement import headline, report, views
    from core.annotation import checking

    source, stored = report.open_labels(workbench, options.file)
    view = views.read(source, options.part, options.round, options.level, options.consensus, options.yes)
    found = yield from report.coefficients(view, options.resamples)
    found = {"file": str(options.file), **found}
    if stored:
        found["plan"] = checking.check(workbench, str(options.file))
    if options.annotators:
        found["people"] = yield from report.annotators(view)
    if options.disputed:
        found["disputed"] = report.disputed(view)
    if options.growth is not None:
        found["growth"] = yield from report.growth(view, options.growth, options.resamples)
    if options.systems:
        found["systems"] = report.systems(view)
    if options.machines or options.scores or options.headline is not None:
        rest = (yield from headline.unjudged(workbench, source)) if stored else headline.Unjudged()
        scores = yield from report.scored(view, options.scores, rest)
    if options.machines or options.scores:
        found["machines"] = yield from report.machines(view, scores, options.whole, options.resamples)
    if options.headline is not None:
        found["headline"] = report.headlines(view, scores, options.headline, rest)
    return found


def power(workbench: Any, options: argparse.Namespace) -> Any:
    """For each number of annotators the items that the target needs, and what these, or the items asked for, reach."""
    from core.annotation.power import ASSUMED, GOALS, check_values, items_for, predictors

    given, values = read_settings(options.set), dict(ASSUMED[options.goal])
    for name, value in given.items():
        if name not in values or isinstance(value, bool) or not isinstance(value, (int, float)):
            raise WorkbenchError(
                f"'{name}={value}' is no assumption of this goal, or no number.",
                todo=f"Assumed are {', '.join(f'{key}={usual:g}' for key, usual in values.items())}.",
            )
    values |= given
    check_values(options.goal, values)
    several = [number for number in options.annotators if number > 1 or options.goal != "alpha"]  # alpha takes two
    if not several:
        raise WorkbenchError("Alpha takes two annotators an item.", todo="Give --annotators 2 or more.")
    rows = []
    for place, annotators in enumerate(several):
        yield Progress(place, len(several), f"{annotators} annotators an item")
        try:
            needed = items_for(options.goal, values, annotators)
            formula, simulation = predictors(options.goal, values, annotators)
            items = options.items or needed
            reached = formula(items) if items else None
            simulated = simulation(items, 2000, 0) if items and options.simulate else None
        except (ValueError, ZeroDivisionError) as error:
            raise WorkbenchError(f"These values go with no study: {error}.", todo="Change one with --set.") from None
        rows.append({"annotators": annotators, "needed": needed, "items": items, "formula": reached, "simulated": simulated})
    measure = "power" if options.goal in ("difference", "means") else "half-width"
    return {"goal": options.goal, "what": GOALS[options.goal], "values": values, "measure": measure, "designs": rows}


def answer_questions(workbench: Any, options: argparse.Namespace) -> Any:
    from core.annotation import answers

    found = yield from answers.answer_questions(workbench, read_recipe(options), options.count)
    return found._asdict()


def annotate(workbench: Any, options: argparse.Namespace) -> Any:
    """Carries out one action on studies."""
    from core.annotation import checking, exports, imports, rounds, standing, tokens, versions
    from core.annotation.draft import from_settings

    def names() -> dict[str, str]:
        pairs = [text.rpartition("=") for text in options.names]  # no YAML: somebody may be called No, or 007
        if wrong := next((pair for pair in pairs if not all(pair)), None):
            raise WorkbenchError(f"'{''.join(wrong)}' is no NAME=ANNOTATOR.", where="--as")
        return {name.strip(): who.strip() for name, _, who in pairs}

    def told(frozen: Any) -> dict[str, Any]:
        design = frozen.study.model_dump(mode="json", exclude={"items", "rubrics"})
        return {
            "study": frozen.study.id,
            "version": frozen.version,
            "round": frozen.round,
            "hash": frozen.hash,
            "created": frozen.created,
            "items": len(frozen.study.items),
            **design,
        }

    def draft() -> Any:
        return told(rounds.save(workbench, from_settings(workbench, read_yaml(options.file))))

    def freeze() -> Any:
        study = versions.planned(workbench, options.study) or versions.load(workbench, options.study).study
        return told(rounds.freeze(workbench, study, options.round))

    def hand_over() -> Any:
        found = rounds.handing_over(workbench, options.study, options.annotator)
        frozen = rounds.hand_over(workbench, options.study, options.annotator)
        return {"study": options.study, "version": frozen.version, "round": frozen.round, "hash": frozen.hash, **found._asdict()}

    actions = {
        "list": lambda: [told(one) for one in versions.studies(workbench)],
        "show": lambda: told(versions.load(workbench, options.study)),
        "draft": draft,
        "freeze": freeze,
        "adjudicate": lambda: told(rounds.open_adjudication(workbench, options.study, options.people)),
        "hand-over": hand_over,
        "close": lambda: told(rounds.close(workbench, options.study)),
        "check": lambda: checking.check(workbench, options.study),
        "progress": lambda: standing.progress(workbench, versions.load(workbench, options.study)),
        "token": lambda: tokens.issue_token(workbench, options.study, options.annotator),
        "export": lambda: exports.export(workbench, options.study, options.format, options.folder, options.round),
        "import": lambda: imports.import_labels(
            workbench, options.study, options.file, options.keep_good, names(), options.replace
        ),
        "qags": lambda: told(imports.import_qags(workbench, options.file, options.study)),
        "push": lambda: exports.push(workbench, options.study, options.url),
        "pull": lambda: imports.pull(
            workbench, options.study, options.project, options.url, options.keep_good, names(), options.replace
        ),
    }
    return actions[options.action]()


def train_moe(workbench: Any, options: argparse.Namespace) -> Any:
    from core.labs.inside import model as inspect_lab

    training = recipes.valid(inspect_lab.MoeConfig, read_settings(options.train))
    runs = yield from inspect_lab.train_moe(workbench, read_recipe(options), training, options.both)
    return [inspect_lab.moe_row(run) for run in runs]


def measure_engine(workbench: Any, options: argparse.Namespace) -> Any:
    from core.labs import engines as engine_lab

    return engine_lab.measure(workbench, read_recipe(options))


def run_and_show(workbench: Any, config: recipes.TrialConfig) -> Any:
    trial = yield from workbench.run(config)
    return {**workbench.measured(trial), "command": workbench.command(config)}


def frontier(workbench: Any, options: argparse.Namespace) -> list[dict[str, Any]]:
    from core.labs.trials import costs as trial_costs

    return trial_costs.frontier(workbench, options.metric, options.cost, options.dataset)


def ask(workbench: Any, options: argparse.Namespace) -> Any:
    from core.workbench import plain

    config = read_recipe(options)
    answer = yield from workbench.ask(config, options.question)
    if not options.again or answer.receipt is None:
        return answer
    yield "\n\nAgain: "
    text, comparison = yield from workbench.ask_again(config, options.question, answer)
    return {**plain(answer), "again": {"text": text, **plain(comparison), "share": comparison.share}}


def sql(workbench: Any, statement: str) -> list[dict[str, Any]]:
    table = workbench.sql(statement)
    if table.truncated:
        print(f"Only the first {len(table.rows):,} rows are here: aggregate, or add LIMIT.", file=sys.stderr)
    if table.cut_cells:
        print(f"Long cells are cut and end with an ellipsis: {table.cut_cells:,}.", file=sys.stderr)
    # two columns of one name (SELECT a.id, b.id) are numbered, or the first would be lost
    names = [n if table.columns.index(n) == i else f"{n} ({i + 1})" for i, n in enumerate(table.columns)]
    return [dict(zip(names, row, strict=True)) for row in table.rows]


def finish(work: Any, quiet: bool) -> Any:
    """Drains a long verb. Progress goes to standard error, streamed text to standard output."""
    last = 0.0
    while True:
        try:
            with _worded():
                step = next(work)
        except StopIteration as end:
            return end.value
        if isinstance(step, Progress):
            if sys.stderr.isatty() and time.monotonic() - last > 0.1:
                last = time.monotonic()
                print(f"\r\x1b[K{step.message} {step.done:,}/{step.total:,}", end="", file=sys.stderr, flush=True)
        elif not quiet:
            print(step, end="", flush=True)


# What a person sees -------------------------------------------------------------------------------------------------


def show_table(rows: list[dict[str, Any]]) -> None:
    if not rows:
        print("Nothing there yet.")
        return
    texts = [[_cell(row.get(name)) for name in rows[0]] for row in rows]
    widths = [min(60, max(len(name), *(len(t[i]) for t in texts))) for i, name in enumerate(rows[0])]
    for line in [list(rows[0]), *texts]:
        print("  ".join(text[:60].ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value).replace("\n", " ")


def show_curve(rows: list[dict[str, Any]]) -> None:
    """Each metric with its interval in one column."""
    names = [key for key in rows[0] if f"{key} low" in rows[0]]
    setting = next(iter(rows[0]))
    show_table(
        [
            {
                setting: row[setting],
                "n": row["n"],
                "context tokens": round(row["context_tokens"]),
                **({"filled": f"{row['full']:.0%}"} if any(one["full"] < 1 for one in rows) else {}),
                **{head: cell for name in names for head, cell in _curve_cells(row, name).items()},
            }
            for row in rows
        ]
    )


def _curve_cells(row: dict[str, Any], name: str) -> dict[str, str]:
    """A metric with its interval, and where values were compared its paired difference with that of it and p."""
    cells = {name: _between({"value": row[name], "low": row[f"{name} low"], "high": row[f"{name} high"]})}
    if (difference := f"{name} difference") in row:
        p = row[f"{name} p (Holm)"]
        told = _between({"value": row[difference], "low": row[f"{difference} low"], "high": row[f"{difference} high"]})
        cells[difference] = told + ("" if p is None else f", p {p:.3f} (Holm)")
    return cells


def show_cost(rows: list[dict[str, Any]]) -> None:
    """A setting's recall, then its sentences whole: they are what the verb is for. --json has every number."""
    for setting in dict.fromkeys(row["setting"] for row in rows):
        some = [row for row in rows if row["setting"] == setting]
        print(f"{setting}: recall {_cell(some[0]['recall'])} against exact search, n {some[0]['n']:,}")
        for row in some:
            print(f"  {row['fusion']}: {row['sentence'].removeprefix(setting).strip()}")


def show_value(value: Any) -> None:
    print(value if isinstance(value, str) else yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip())


def show_trials(rows: list[dict[str, Any]]) -> None:
    named = any(r["name"] for r in rows)
    show_table(
        [
            {
                "id": r["id"],
                "created": r["created"],
                **({"name": r["name"]} if named else {}),
                "dataset": r["dataset"],
                "status": r["status"],
                "n": r["measured"],
                **(r["metrics"] or {}),
            }
            for r in rows
        ]
    )


def show_trial(record: dict[str, Any]) -> None:
    """What a run found: each metric with its interval, its costs, and by what it is found again."""
    from core.labs.trials.comparison import COSTS

    if record["metrics"]:
        level = f"{record['metrics'][0]['confidence']:.0%} interval"
        noted = any(one["note"] for one in record["metrics"])
        show_table(
            [
                {
                    "metric": one["label"],
                    "mean": f"{one['mean']:.3f}" if one["n"] else "not measured",
                    level: "" if one["low"] is None else f"{one['low']:.3f} to {one['high']:.3f}",
                    "n": f"{one['n']:,}",
                    "of": f"{one['total']:,}",
                    **({"note": one["note"]} if noted else {}),
                }
                for one in record["metrics"]
            ]
        )
        print()
    for one in record["spread"]:
        what, unit = COSTS[one["cost"]]
        spread = "" if one["low"] is None else f" ({one['low']:,.1f} to {one['high']:,.1f}; n {one['n']:,})"
        print(f"{what}: {one['value']:,.{1 if spread else 0}f} {unit}{spread}")
    if before := record["repeat_of"]:
        print(f"The same recipe as trial {before[0]}: kept as repeat {len(before) + 1}.")
    print(f"Trial {record['id']}")
    if "command" in record:
        print(f"Again: {record['command']}")


def show_record(record: dict[str, Any]) -> None:
    rest = {
        k: v
        for k, v in record.items()
        if k not in ("rankings", "chunks", "chunk_tokens", "latency_ms", "metrics", "spread", "repeat_of")
    }
    show_trial(record)
    show_value({**rest, "rankings": f"{len(record.get('rankings', {}))} questions; --json prints them"})


def show_hits(hits: list[dict[str, Any]]) -> None:
    for hit in hits:
        page = f", page {hit['page']}" if hit["page"] else ""
        print(f"{hit['rank']:>2}. {hit['score']:.4f}  {hit['document_id']}{page} [{hit['start']}:{hit['end']}]")
        print("    " + " ".join(hit["text"].split())[:160])


def show_answer(answer: dict[str, Any]) -> None:
    counts = ["an uncounted number of" if n is None else n for n in (answer["prompt_tokens"], answer["answer_tokens"])]
    cost = "" if answer["cost_usd"] is None else f"; {answer['cost_usd']:.6f} USD"
    tries = f"; {answer['retries']} retries" if answer["retries"] else ""
    print(
        f"\n\n{answer['finish_reason']}; {counts[0]} prompt and {counts[1]} answer tokens; "
        f"retrieval {answer['retrieval_ms']:.0f} ms, first token {answer['first_token_ms']:.0f} ms, "
        f"generation {answer['generation_ms']:.0f} ms{cost}{tries}"
    )
    if again := answer.get("again"):
        place = (
            "" if again["first_difference"] is None else f", different from {again['unit']} {again['first_difference'] + 1} on"
        )
        same = "the same" if again["same_conclusion"] else "another"
        print(
            f"again: {again['same']} of {max(again['first'], again['second'])} {again['unit']}s equal{place}; {same} conclusion"
        )
    for number, hit in enumerate(answer["hits"], 1):
        print(f"[{number}]{' cited' if number in answer['cited'] else ''} {hit['document_id']} [{hit['start']}:{hit['end']}]")


def show_agreement(found: dict[str, Any]) -> None:
    print(
        f"{found['units']:,} {found['unit']} of {found['drawn']}, {found['annotators']:,} annotators, {found['labels']:,} labels, "
        f"{found['level']}. 95% intervals: {found['resamples']:,} resamples of {found['drawn']}."
    )
    show_table(
        [
            {"coefficient": row["name"], **_span(row), "units": row["items"], "resampled": row["drawn"], "note": row["note"]}
            for row in found["measures"]
        ]
    )
    print("\n".join(filter(None, (found["words"], found["paradox"], found["note"]))))
    if plan := found.get("plan"):
        print(
            f"Plan and labels: {'as frozen' if plan['ok'] else 'NOT as frozen. ' + ' '.join(plan['findings'])}, hash {plan['hash'][:12]}"
        )
    shown = {
        "people": _show_people,
        "disputed": _show_disputed,
        "growth": _show_growth,
        "systems": _show_systems,
        "machines": _show_machines,
        "headline": _show_headline,
    }
    for name, show in shown.items():
        if name in found:
            print(f"\n{name.capitalize()}")
            show(found[name])


def _span(row: dict[str, Any] | None, value: str = "value") -> dict[str, Any]:
    """Value and interval, whichever record they stand in."""
    row = row or {}
    return {value: row.get("value", row.get("mean")), "low": row.get("low"), "high": row.get("high")}


def _between(row: dict[str, Any] | None) -> str:
    """The same in one cell."""
    value, low, high = _span(row).values()
    return "" if value is None else f"{value:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")


def _show_people(found: dict[str, Any]) -> None:
    show_table(
        [
            {
                "annotator": row["name"],
                "labels": row["labels"],
                "alpha without": row["left_out"]["value"],
                "with majority": _between(row["dissent"] and row["dissent"]["agreed"]),
                "ability": row["ability"],
                "self-agreement": _between(row["self_agreement"]),
                "seconds": row["speed"] and row["speed"]["median"],
                "trend": row["drift"] and row["drift"]["trend"],
                "p (Holm)": row["drift"] and row["drift"]["p_holm"],
            }
            for row in found["annotators"]
        ]
    )


def _show_disputed(found: dict[str, Any]) -> None:
    print(f"People differ on {found['disputed']:,} of {found['units']:,} units.")
    show_table(
        [
            {
                "unit": row["name"],
                "spread": row["spread"],
                "labels": ", ".join(label for _, label in row["labels"]),
                "text": row["text"],
            }
            for row in found["most"]
        ]
    )


def _show_growth(found: dict[str, Any]) -> None:
    show_table(found["points"])
    met = f"met at {found['stop_at']:,} labels" if found["stop_at"] else "not met"
    print(f"Stop rule {found['rule']} {found['target']:g}: {met}. Order: {'time' if found['timed'] else 'of the file'}.")


def _show_systems(found: dict[str, Any]) -> None:
    print(f"Consensus: {found['consensus']}, {found['ties']:,} ties, {found['undecided']:,} undecided")
    if "pairs" in found:
        show_table(
            [
                {
                    "a": row["a"],
                    "b": row["b"],
                    "wins of a": row["sign"]["wins"],
                    "of b": row["sign"]["losses"],
                    "ties": row["sign"]["ties"],
                    "share": _between(row["sign"]["share"]),
                    "p": row["sign"]["p"],
                }
                for row in found["pairs"]
            ]
        )
        show_table(
            [
                {"system": name, **_span(row, "strength"), "note": row["note"] or found["bradley_terry_note"]}
                for name, row in found["bradley_terry"].items()
            ]
        )
        return
    show_table(
        [
            {
                "system": row["name"],
                **_span(row["share"], "share"),
                "whole answers": _between(row["whole"]),
                "answers": row["answers"],
                "units": row["share"]["n"],
            }
            for row in found["systems"]
        ]
    )
    if found["differences"]:
        show_table(
            [
                {
                    "a": row["a"],
                    "b": row["b"],
                    **_span(row["paired"] | {"value": row["paired"]["difference"]}, "a - b"),
                    "p": row["paired"]["p"],
                    "p (Holm)": row["p_holm"],
                    "questions": row["paired"]["n"],
                }
                for row in found["differences"]
            ]
        )


def _show_machines(found: dict[str, Any]) -> None:
    print(
        f"{found['n']:,} {found['judged_as']}; yes: {', '.join(found['yes'])}; consensus: {found['consensus']}; intervals over "
        f"{found['drawn']}"
    )
    rows = [
        {
            "measure": row["name"],
            "AUC": _between(row["roc"]),
            "Pearson": _between(row["pearson"]),
            "Spearman": _between(row["spearman"]),
            "MAE": _between(row["error"]),
            "ECE": _between(row["calibration"]["error"]),
            "threshold": row["threshold"]["threshold"],
            "Cohen": _between(row["threshold"]["kappa"]),
            "accuracy": _between(row["threshold"]["accuracy"]),
        }
        for row in found["machines"]
    ]
    rows.append({"measure": "always the usual", "accuracy": _between(found["baseline"])})
    show_table(rows)
    print("Beside a person: both held against the others, label by label; verdicts on the half that the threshold has not seen")
    show_table(
        [
            {
                "measure": row["name"],
                **{
                    f"{what}{who}": _between(row[key][who])
                    for key, what in (("beside", "accuracy, "), ("beside_pearson", "Pearson, "))
                    for who in ("machine", "person", "difference")
                },
            }
            for row in found["machines"]
        ]
    )
    for row in found["machines"]:
        if row["groups"]:
            print(f"{row['name']}, by system and dataset")
            show_table(
                [
                    {
                        "of": one["kind"],
                        "name": one["name"],
                        "n": one["n"],
                        "Pearson": _between(one["pearson"]),
                        "AUC": _between(one["auc"]),
                    }
                    for one in row["groups"]
                ]
            )


def _show_headline(found: list[dict[str, Any]]) -> None:
    first = found[0]
    print(
        f"{first['n_human']:,} answers with people's labels, {first['n_machine']:,} with the machine's alone; share that is yes "
        "throughout"
    )
    rows = [
        (row["machine"], one)
        for row in found
        for one in (*row["methods"], {"method": "Machine alone", **row["methods"][0]["machine_only"]})
    ]
    show_table([{"machine": name, "method": one["method"], **_span(one, "share"), "note": one["note"]} for name, one in rows])
    parts = [
        {
            "machine": row["machine"],
            "stratum": part["name"],
            "of all answers": part["share"],
            "by people": part["n_human"],
            **{one["method"]: _between(one) or one["note"] for one in part["methods"]},
        }
        for row in found
        for part in row["strata"]
    ]
    if parts:
        show_table(parts)
    print(
        f"people alone {_between(first['methods'][0]['human_only'])}"
        + ("" if first["truth"] is None else f"; people on all of them {first['truth']:.3f}")
    )


def show_power(found: dict[str, Any]) -> None:
    print(f"{found['what']}: {', '.join(f'{name} {value:g}' for name, value in found['values'].items())}")
    measure = found["measure"]
    show_table(
        [
            {
                "annotators": row["annotators"],
                "items needed": row["needed"] or "over 100,000",
                "items": row["items"],
                f"{measure} by formula": row["formula"],
                "by simulation": row["simulated"],
            }
            for row in found["designs"]
        ]
    )


def show_doctor(findings: list[dict[str, Any]]) -> None:
    marks = {True: "ok     ", False: "MISSING", None: "absent "}
    for finding in findings:
        print(f"{marks[finding['ok']]}  {finding['name']}: {finding['found']}")
        if finding["todo"]:
            print(f"         {finding['todo']}")


if __name__ == "__main__":
    sys.exit(main())
