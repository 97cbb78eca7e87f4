"""What a paper's words must say and people forget: the methods from the recipes, what limits the results, a checklist.

All of it is read from the stored trials that the paper rests on; what they do not hold is said to be not recorded.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.config import LISTS, TransformConfig, TrialConfig
from core.errors import WorkbenchError
from core.evaluation.metric import metric_names
from core.jobs.verbs import as_recorded
from core.labs.papers import bibliography, contamination, derived, sources
from core.labs.papers.bibliography import cited
from core.labs.papers.paper import Paper, Taken
from core.pipeline.recipe_words import doing
from core.pipeline.stages import unused
from core.registry import parts
from core.report.caption import escape
from core.workbench import Workbench

STAGES = {  # field -> how it begins in a paper
    "chunking": "Documents were cut by",
    "embedding": "Texts were embedded by",
    "transform": "Vectors were transformed with",
    "index": "Vectors were searched by",
    "sparse": "Words were searched by",
    **dict.fromkeys(LISTS["retrievers"].names, "Candidates were found by"),
    "retrieval": "Retrieval used",
    "fusion": "Rankings were made by",
    "query": "Questions were asked by",
    **dict.fromkeys(LISTS["rerankers"].names, "Then they were reranked by"),
    LISTS["rerankers"].first: "They were reranked by",
}
HALVES = {"all": "all questions", "dev": "the dev half of the questions", "test": "the test half of the questions"}
LARGE = ("rankings", "chunks", "chunk_tokens", "latency_ms")  # fields of a trial's record
UNSET = ("", None, [], ())  # values of a setting that is off
MOST_VALUES = 6  # of a setting told one by one
POWER = 1.96 + 0.8416  # standard errors that a difference needs to be found in 80% of studies at 5%, two-sided

Trials = Sequence[Mapping[str, Any]]


def texts(workbench: Workbench, paper: Paper, showed: Mapping[str, Taken]) -> dict[str, str]:
    """File -> text: the sections, and the entries that they cite. showed: by item."""
    trials, looked = recipes(workbench, paper), looked_at(paper, showed)
    sections = {
        "text/methods.tex": methods(workbench, paper, trials, looked),
        "text/limitations.tex": "\n".join(_listed(limitations(workbench, paper, trials))),
        "text/checklist.tex": "\n".join(_listed(checklist(paper, trials, looked))),
    }
    keys = {key for text in sections.values() for group in re.findall(r"\\cite{([^}]*)}", text) for key in group.split(",")}
    return {**sections, "references.bib": bibliography.bibtex(keys)}


def recipes(workbench: Workbench, paper: Paper) -> list[dict[str, Any]]:
    """The records of a paper's trials; of what is large in them only whether it is there."""
    records = (workbench.show(trial) for trial in paper.trials)
    return [{name: bool(value) if name in LARGE else value for name, value in record.items()} for record in records]


def looked_at(paper: Paper, showed: Mapping[str, Taken]) -> dict[str, int]:
    """Question set -> how many recipes had been looked at when the last item on it was taken."""
    most: dict[str, int] = {}
    for item in paper.items:
        for each in showed[item.name].looked:
            most[each.questions] = max(most.get(each.questions, 0), each.looked)
    return most


def methods(workbench: Workbench, paper: Paper, trials: Trials, looked: Mapping[str, int]) -> str:
    """A paragraph: corpus, stages with their settings, measures, intervals and tests, machine and versions."""
    said = [_corpora(workbench, trials)]
    used = [_configs(trial) for trial in trials]
    for stage, start in STAGES.items():
        configs = [configs[stage] for configs in used if stage in configs]
        if words := _stage(stage, configs):
            said.append(f"{start} {words}")
    if trials:
        said += [_measures(paper, trials), *_tests(paper, trials)]
        tried = _and(_looked(trials, looked))
        said += [f"Recipes compared in all, reported here or not: {escape(tried)}" if tried else "", _machine(trials)]
    return "% from the recipes of the trials\n" + "\n".join(f"{sentence}." for sentence in said if sentence) + "\n"


def limitations(workbench: Workbench, paper: Paper, trials: Trials) -> list[str]:
    """What was found that limits the results, as LaTeX."""
    said = []
    for fingerprint, of in _by(trials, "questions_fingerprint").items():
        queries = _questions(workbench, fingerprint)
        if bare := sum(not query["gold"] for query in queries):
            name = escape(str(of[0]["config"]["corpus"]["dataset"]))
            said.append(
                f"{bare:,} of {len(queries):,} questions on {name} have no gold evidence: they are unmeasured and count in no mean."
            )
    if trials and all(trial["config"]["corpus"].get("questions", "all") == "all" for trial in trials):
        said.append(
            "Recipes were compared on all questions: the best was chosen on the questions on which it is reported, which flatters it."
        )
    recipes = _by(trials, "config_fingerprint")
    seeds = {(trial.get("config_fingerprint"), trial.get("seed")) for trial in trials}
    if trials and len(seeds) == len(recipes):
        said.append("Each recipe was measured with one seed: the intervals are over questions, not over seeds.")
    said += _low_power(workbench, paper)
    if any("--cost" in item.command for item in paper.items):
        said.append("Times were measured on machines with other work.")
    with_encoder = [trial for trial in trials if "embedding" not in _unused(trial["config"])]
    return said + contamination.findings(workbench, trials, with_encoder)


def checklist(paper: Paper, trials: Trials, looked: Mapping[str, int]) -> list[str]:
    """What a reader needs to do it again, and whether the records hold it."""

    def recorded(field: str) -> str:
        there = sum(trial.get(field) not in (None, "", {}) for trial in trials)
        return (
            "yes" if trials and there == len(trials) else f"of {there:,} of {len(trials):,} trials" if there else "not recorded"
        )

    able = sum(not item.taken_from_page or derived.able(item.command) for item in paper.items)
    parts_used = {str(config.get("part", "")) for trial in trials for config in _configs(trial).values()}
    bare = sorted(part.replace("_", " ") for part in parts_used if _bare(part))
    answers = {
        "Complete recipe of every trial": recorded("config"),
        "Seeds": recorded("seed"),
        "Version of the code that each stage depends on": recorded("code_version"),
        "Versions of packages": recorded("packages"),
        "Device and threads": recorded("device"),
        "Fingerprints of corpus and chunks": recorded("fingerprints"),
        "Raw rankings and questions in the bundle": recorded("rankings"),
        "Items recomputed from the raw records": f"{able:,} of {len(paper.items):,}",
        "Texts of documents in the bundle": "no; by the corpus' name and fingerprint",
        "Licences of corpora and models": "not recorded here; to be said by the authors",
        "How many recipes were tried in all": "; ".join(_looked(trials, looked)) or "not recorded; to be said by the authors",
        **({"Parts without a reference on record": ", ".join(bare)} if bare else {}),
    }
    return [f"{escape(question)}: {escape(answer)}." for question, answer in answers.items()]


def _corpora(workbench: Workbench, trials: Trials) -> str:
    said = []
    for fingerprint, of in _by(trials, "questions_fingerprint").items():
        try:
            asked = workbench.store.questions(fingerprint or "")
        except WorkbenchError:
            continue
        corpus = of[0]["config"]["corpus"]
        half = HALVES.get(corpus.get("questions", "all"), "questions")
        cite = cited(bibliography.of_dataset(str(corpus["dataset"])))
        counts = f"{asked.get('documents') or 0:,} documents, {len(asked['queries']):,} questions"
        said.append(f"{escape(str(corpus['dataset']))}{cite} ({counts}; {half})")
    return f"Retrieval was measured on {_and(said)}" if said else ""


def corpus_words(trial: Mapping[str, Any]) -> str:
    """As in "xquad-en (all questions)"."""
    corpus = trial["config"]["corpus"]
    return f"{corpus['dataset']} ({HALVES.get(corpus.get('questions', 'all'), 'questions')})"


def _configs(trial: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Stage -> its settings, of those that the recipe uses."""
    recipe, left = doing(trial["config"]), _unused(trial["config"])
    return {stage: recipe[stage] for stage in STAGES if stage in recipe and stage not in left}


def _bare(part: str) -> bool:
    """Whether a part is somebody's, and no entry says whose."""
    return bool(part) and part not in bibliography.BY_PART and part not in bibliography.OF_NOBODY


def _stage(stage: str, configs: Sequence[Mapping[str, Any]]) -> str:
    """The parts of a stage with every setting that is set: what varies over the trials with all its values."""
    by_part = defaultdict(lambda: defaultdict(list))
    for config in configs:
        usual = TransformConfig().model_dump() if stage == "transform" else {}  # most of which is off
        for name, value in config.items():
            if value in UNSET or (name in usual and value == usual[name]):
                continue
            values = by_part[str(config.get("part", ""))][name]
            values += [] if name == "part" or value in values else [value]
    said = []
    for part, settings in by_part.items():
        words = [f"{name.replace('_', ' ')} {_values(values)}" for name, values in settings.items() if name != "part"]
        head = escape(part.replace("_", " ")) + cited(bibliography.BY_PART.get(part, ()))
        said.append(" ".join(filter(None, [head, f"({escape(', '.join(words))})" if words else ""])))
    return _and(said)


def _values(values: Sequence[Any]) -> str:
    if len(values) > MOST_VALUES and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return f"{min(values):g} to {max(values):g} ({len(values)} values)"
    return "/".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def _measures(paper: Paper, trials: Trials) -> str:
    values = [item.value.split(".") for item in paper.items if item.kind == "number"]
    words = {word for said in (*(as_recorded(item.command) for item in paper.items), *values) for word in said}
    names = [name for name in metric_names() if name in words]
    depths = _values(sorted({trial["config"]["evaluation"]["k"] for trial in trials}))
    shares = _values(sorted({100 * trial["config"]["evaluation"]["overlap"] for trial in trials}))
    labels = [parts("metric")[name].label.format(k="k") + cited(bibliography.BY_PART.get(name, ())) for name in names]
    measures = (
        f"Measures are {_and(labels)} at depth k = {depths}; " if labels else f"Rankings were judged at depth k = {depths}; "
    )
    return measures + f"a chunk is relevant where it shares at least {shares}\\% of the shorter of itself and a gold span"


def _tests(paper: Paper, trials: Trials) -> list[str]:
    rules = [trial["config"]["evaluation"] for trial in trials]
    level = _values(sorted({100 * rule["confidence"] for rule in rules}))
    resamples = _values(sorted({rule["resamples"] for rule in rules}))
    seeds = _values(sorted({trial.get("seed", 0) for trial in trials}))
    tests = bibliography.TESTS
    said = [
        f"Intervals of {level}\\% are percentile bootstrap over questions{cited(tests['bootstrap'])} ({resamples} resamples; seeds "
        f"{seeds}), and Wilson's{cited(tests['wilson'])} where values are only 0 and 1 or nearly all at one end"
    ]
    verbs = {as_recorded(item.command)[0] for item in paper.items if item.command}
    if verbs & {"compare", "trials-table"}:
        said.append(
            f"Differences were tested by the paired permutation test{cited(tests['permutation'])} with 10,000 sign patterns"
        )
    if "leaderboard" in verbs:
        said.append(
            f"Recipes were told from the best by paired t tests{cited(tests['permutation'])}, corrected over all comparisons"
            f"{cited(tests['holm'])}"
        )
    if "trials-table" in verbs:
        said.append(f"p values of a table are corrected over all its tests{cited(tests['holm'])}")
    return said


def _looked(trials: Trials, looked: Mapping[str, int]) -> list[str]:
    """As in "52 on xquad-en (all questions)"."""
    sets = {print_: of[0] for print_, of in _by(trials, "questions_fingerprint").items() if print_ in looked}
    return [f"{looked[print_]:,} on {corpus_words(trial)}" for print_, trial in sets.items()]


def _machine(trials: Trials) -> str:
    devices = sorted({_device(trial) for trial in trials})
    versions = defaultdict(set)
    for trial in trials:
        for package, version in (trial.get("packages") or {}).items():
            versions[package].add(str(version))
    packages = [f"{package} {'/'.join(sorted(of))}" for package, of in sorted(versions.items())]
    told = f", {escape(', '.join(packages))}" if packages else "; versions of packages are not recorded"
    return f"It was computed on {escape(_and(devices))}{told}"


def _device(trial: Mapping[str, Any]) -> str:
    threads = trial.get("threads")
    counted = f"{threads} thread{'s' * (threads != 1)}" if threads else "an unrecorded number of threads"
    return f"{trial.get('device') or 'a device not recorded'} with {counted}"


def _low_power(workbench: Workbench, paper: Paper) -> list[str]:
    """Differences that are told from nothing, with the smallest that so many questions would have found."""
    said, told = [], set()
    for item in paper.items:
        if as_recorded(item.command)[:1] != ["compare"] or item.kind != "number" or item.command in told:
            continue
        told.add(item.command)
        result = sources.answer(workbench, item.command)
        if result["p"] is None or result["p"] < 0.05 or not result["effect_size"]:
            continue
        deviation = abs(result["difference"] / result["effect_size"])
        smallest = POWER * deviation / result["n"] ** 0.5
        said.append(
            f"{escape(item.name)} is not significant; with {result['n']:,} questions and a standard deviation of {deviation:.3f} of the "
            f"differences, one below {smallest:.3f} is found in fewer than 80\\% of studies."
        )
    return said


def _questions(workbench: Workbench, fingerprint: Any) -> list[dict[str, Any]]:
    try:
        return workbench.store.questions(fingerprint or "")["queries"]
    except WorkbenchError:
        return []


def _unused(config: Mapping[str, Any]) -> set[str]:
    fusion = (config.get("fusion") or {}).get("part", "")
    return unused(TrialConfig(fusion=fusion)) if fusion in parts("fusion") else set()


def _by(trials: Trials, field: str) -> dict[Any, list[Mapping[str, Any]]]:
    groups = defaultdict(list)
    for trial in trials:
        groups[trial.get(field)].append(trial)
    return groups


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def _listed(lines: Iterable[str]) -> list[str]:
    return [r"\begin{itemize}", *(rf"  \item {line}" for line in lines), r"\end{itemize}", ""]
