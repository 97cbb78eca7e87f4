"""What a paper's words must say and people forget: the methods from the recipes, what limits the results, a checklist.

All of it is read from the stored trials that the paper rests on; what they do not hold is said to be not recorded.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.config import TrialConfig
from core.errors import WorkbenchError
from core.evaluation.metric import MAIN, headlines, metric_names, metric_or_measure, metrics_and_measures
from core.jobs.verbs import as_recorded
from core.labs.papers import bibliography, contamination, derived, sources
from core.labs.papers.bibliography import cited
from core.labs.papers.paper import Item, Paper, Taken
from core.labs.papers.wording import STAGES, counted, listed, one_of, sentence
from core.labs.papers.words import called
from core.labs.trials.listing import TIMED
from core.pipeline.recipe_words import OF_ANSWERS, doing, recipe_fingerprint
from core.pipeline.stages import unused
from core.registry import parts
from core.report.caption import escape
from core.workbench import Workbench

HALVES = {"all": "all questions", "dev": "the dev half of the questions", "test": "the test half of the questions"}
LARGE = ("rankings", "chunks", "chunk_tokens", "latency_ms", "answered")  # fields of a trial's record
ONE_PROMPT = {"part": "one_prompt"}  # what records mean that name no way of answering
PERMUTATION = (
    f"the paired sign-flip permutation test{cited(bibliography.TESTS['permutation'])} (10,000 random sign patterns; all patterns where at "
    "most 16 questions differ)"
)
T_TEST = f"paired t tests{cited(bibliography.TESTS['permutation'])}"
TESTED = {  # verb -> the test of its p
    **dict.fromkeys(("compare", "trials-table", "trials-compare"), PERMUTATION),
    **dict.fromkeys(("leaderboard", "study-results", "effects"), T_TEST),
}
POWER = 1.96 + 0.8416  # standard errors that a difference needs to be found in 80% of studies at 5%, two-sided

Trials = Sequence[Mapping[str, Any]]


def texts(workbench: Workbench, paper: Paper, showed: Mapping[str, Taken]) -> dict[str, str]:
    """File -> text: the sections, and the entries that they cite. showed: by item."""
    trials, looked = recipes(workbench, paper), looked_at(paper, showed)
    sections = {
        "text/methods.tex": methods(workbench, paper, trials, looked),
        "text/limitations.tex": "\n".join(_listed(limitations(workbench, paper, trials, looked))),
        "text/checklist.tex": "\n".join(_listed(checklist(paper, trials, looked))),
    }
    keys = {key for text in sections.values() for group in re.findall(r"\\cite{([^}]*)}", text) for key in group.split(",")}
    return {**sections, "references.bib": bibliography.bibtex(keys)}


def recipes(workbench: Workbench, paper: Paper) -> list[dict[str, Any]]:
    """The records of a paper's trials; of what is large in them only whether it is there. Other records that it rests on are no
    recipes."""
    listing = workbench.store.journal.listing()
    records = (workbench.show(trial) for trial in paper.trials if trial not in listing or listing[trial].kind == "trial")
    return [{name: bool(value) if name in LARGE else value for name, value in record.items()} for record in records]


def looked_at(paper: Paper, showed: Mapping[str, Taken]) -> dict[str, int]:
    """Question set -> how many recipes had been looked at when the last item on it was taken."""
    most: dict[str, int] = {}
    for item in paper.items:
        for each in showed[item.name].looked:
            most[each.questions] = max(most.get(each.questions, 0), each.looked)
    return most


def methods(workbench: Workbench, paper: Paper, trials: Trials, looked: Mapping[str, int]) -> str:
    """Paragraphs: data, retrieval, answers, measures and tests, machine and versions."""
    used = [_configs(trial) for trial in trials]
    stages = {stage: sentence(stage, [configs[stage] for configs in used if stage in configs]) for stage in STAGES}
    tried = escape(listed(_looked(trials, looked)))
    told = {
        "Data": [_corpora(workbench, trials)],
        "Retrieval": [words for stage, words in stages.items() if stage not in OF_ANSWERS],
        "Answers": [stages[stage] for stage in OF_ANSWERS],
        "Measures and tests": [*_measures(paper, trials), *_tests(paper, trials)] if trials else [],
        "Reporting": [f"Recipes compared in all, reported here or not: {tried}" if tried else ""],
        "Computation": [_machine(trials)] if trials else [],
    }
    lines = ["% from the recipes of the trials"]
    for title, sentences in told.items():
        if said := [f"{words}." for words in sentences if words]:
            lines += [rf"\paragraph{{{title}}}", *said, ""]
    return "\n".join(lines)


def limitations(workbench: Workbench, paper: Paper, trials: Trials, looked: Mapping[str, int]) -> list[str]:
    """What was found that limits the results, as LaTeX."""
    said = []
    for fingerprint, of in _by(trials, "questions_fingerprint").items():
        queries = _questions(workbench, fingerprint)
        if bare := sum(not query["gold"] for query in queries):
            have = "has no gold evidence and counts" if bare == 1 else "have no gold evidence and count"
            asked = f"{bare:,} of {counted(len(queries), 'question')} on {escape(corpus_words(of[0]))}"
            said.append(f"{asked} {have} in no mean.")
    seeds = {(recipe_fingerprint(trial["config"]), trial["config"].get("seed", 0)) for trial in trials}
    several = len({recipe for recipe, _ in seeds}) > 1 or any(number > 1 for number in looked.values())
    if several and all(trial["config"]["corpus"].get("questions", "all") == "all" for trial in trials):
        said.append(
            "Recipes were compared on all questions: the best was chosen on the questions on which it is reported, which flatters it."
        )
    if trials and len(seeds) == len({recipe for recipe, _ in seeds}):
        said.append("Each recipe was measured with one seed: the intervals are over questions, not over seeds.")
    said += _low_power(workbench, paper)
    if any({*TIMED, "answer_s"} & {*item.command} for item in paper.items):
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

    shown = [item for item in paper.items if item.kind != "text"]
    able = sum(not item.taken_from_page or derived.able(item.command) for item in shown)
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
        "Items recomputed from the raw records": f"{able:,} of {len(shown):,}",
        "Texts of documents in the bundle": "no; by the corpus' name and fingerprint",
        "Licences of corpora and models": "not recorded here; to be said by the authors",
        "How many recipes were tried in all": "; ".join(_looked(trials, looked)) or "not recorded; to be said by the authors",
        **({"Parts without a reference on record": ", ".join(bare)} if bare else {}),
    }
    return [f"{escape(question)}: {escape(answer)}." for question, answer in answers.items()]


def _corpora(workbench: Workbench, trials: Trials) -> str:
    """As in "Retrieval was measured on tiny (40 documents; 20 questions of the dev half and 20 of the test half)"."""
    halves: dict[tuple[str, int], list[str]] = defaultdict(list)
    for fingerprint, of in _by(trials, "questions_fingerprint").items():
        try:
            asked = workbench.store.questions(fingerprint or "")
        except WorkbenchError:
            continue
        corpus = of[0]["config"]["corpus"]
        half = corpus.get("questions", "all")
        told = f"{len(asked['queries']):,} of the {half} half" if half != "all" else counted(len(asked["queries"]), "question")
        halves[str(corpus["dataset"]), asked.get("documents") or 0].append(told)
    said = []
    for (name, documents), of_each in halves.items():
        cite, questions = cited(bibliography.of_dataset(name)), listed(of_each)
        questions = questions.replace(" of the", " questions of the", 1) if questions.endswith("half") else questions
        said.append(f"{escape(name)}{cite} ({counted(documents, 'document')}; {questions})")
    return f"Retrieval was measured on {listed(said)}" if said else ""


def corpus_words(trial: Mapping[str, Any]) -> str:
    """As in "xquad-en (all questions)"."""
    corpus = trial["config"]["corpus"]
    return f"{corpus['dataset']} ({HALVES.get(corpus.get('questions', 'all'), 'questions')})"


def _configs(trial: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Stage -> its settings, of those that the recipe uses."""
    recipe, left = {"answering": ONE_PROMPT} | doing(trial["config"]), _unused(trial["config"])
    left |= set() if trial.get("answered") else {*OF_ANSWERS}
    return {stage: recipe[stage] for stage in STAGES if stage in recipe and stage not in left}


def _bare(part: str) -> bool:
    """Whether a part is somebody's, and no entry says whose."""
    return bool(part) and part not in bibliography.BY_PART and part not in bibliography.OF_NOBODY


def _measures(paper: Paper, trials: Trials) -> list[str]:
    values = [item.value.split(".") for item in paper.items if item.kind == "number"]
    words = {word for said in (*map(_with_metrics, paper.items), *values) for word in said}
    rules = [trial["config"]["evaluation"] for trial in trials]
    depths, shares = sorted({rule["k"] for rule in rules}), one_of(sorted({100 * rule["overlap"] for rule in rules}))
    depth = depths[0] if len(depths) == 1 else "k"
    labels = [
        escape(parts("metric")[name].label.format(k=depth)) + cited(bibliography.BY_PART.get(name, ()))
        for name in metric_names()
        if name in words
    ]
    of_answers = [
        f"{escape(metric_or_measure(name).label)} ({escape(metric_or_measure(name).source)})"
        for name in metrics_and_measures()
        if name in words and name not in metric_names()
    ]
    k = f" at the depths k = {one_of(depths)}" * (len(depths) > 1)
    said = [f"Rankings are measured by {listed(labels)}{k}" if labels else f"Rankings are judged at depth k = {one_of(depths)}"]
    said.append(f"A chunk is relevant where it shares at least {shares}\\% of the shorter of itself and a gold span")
    return said + [f"Answers are measured by {listed(of_answers)}"] * bool(of_answers)


def _with_metrics(item: Item) -> list[str]:
    """The words of its command, and the metrics that these mean where they name none."""
    said = as_recorded(item.command)
    if "--metric" in said or _verb(item) not in {"compare", *derived.VERBS} - {"study-results"}:
        return said
    return [*said, *(headlines() if _verb(item) == "trials-table" else [MAIN])]


def _tests(paper: Paper, trials: Trials) -> list[str]:
    rules = [trial["config"]["evaluation"] for trial in trials]
    level = one_of(sorted({100 * rule["confidence"] for rule in rules}))
    resamples = one_of(sorted({rule["resamples"] for rule in rules}))
    seeds = sorted({trial.get("seed", 0) for trial in trials})
    tests = bibliography.TESTS
    said = [
        f"Intervals of {level}\\% are percentile bootstrap over questions{cited(tests['bootstrap'])} ({resamples} resamples; "
        f"seed{'s' * (len(seeds) != 1)} {one_of(seeds)}), and Wilson's{cited(tests['wilson'])} where values are only 0 and 1 or nearly "
        "all at one end"
    ]
    shown = _with_p(paper)
    for test in (PERMUTATION, T_TEST):
        if of := [_where(item) for item in shown if TESTED[_verb(item)] == test]:
            said.append(f"The p values of {listed(list(dict.fromkeys(of)))} are from {test}")
    if any(item.kind == "table" for item in shown):
        said.append(f"In each table p is corrected over all of its tests{cited(tests['holm'])}")
    if several := [called(item) for item in shown if _verb(item) == "trials-compare" and item.kind == "table"]:
        said.append(
            f"In {listed(several)} that is p (Holm); p (all tried) and q (all tried){cited(tests['false discovery'])} are corrected for "
            "every recipe that was compared on these questions"
        )
    return said


def _verb(item: Item) -> str:
    return as_recorded(item.command)[0] if item.command else ""


def _with_p(paper: Paper) -> list[Item]:
    """The items that show a p: of figures those whose sentence tells the p of its rows."""
    tested = [item for item in paper.items if item.kind != "text" and _verb(item) in TESTED]
    return [item for item in tested if item.kind != "figure" or _verb(item) == "trials-compare"]


def _where(item: Item) -> str:
    if item.kind == "number":
        return f"the {'comparisons' if _verb(item) == 'compare' else 'differences'} in the text"
    return called(item)


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
    told = f", with {escape(listed(packages))}" if packages else "; versions of packages are not recorded"
    return f"Everything was computed on {escape(listed(devices))}{told}"


def _device(trial: Mapping[str, Any]) -> str:
    threads = trial.get("threads")
    device = {"cpu": "the CPU"}.get(trial.get("device") or "", trial.get("device") or "a device not recorded")
    return f"{device} ({counted(threads, 'thread') if threads else 'an unrecorded number of threads'})"


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
        asked = f"with {counted(result['n'], 'question')} and a standard deviation of {deviation:.3f} of the differences"
        said.append(
            f"{escape(item.caption or item.name)}: not significant; {asked}, one below {smallest:.3f} is found in fewer than 80\\% of "
            "studies."
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


def _listed(lines: Iterable[str]) -> list[str]:
    # a bracket right behind \item would be its mark
    items = (rf"  \item {'{}' * line.startswith('[')}{line}" for line in lines)
    return [r"\begin{itemize}", *items, r"\end{itemize}", ""]
