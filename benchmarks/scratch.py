"""What is written to be read, against the libraries: generation with and without cache, transformers' own, and the samplers.

    python -m benchmarks.scratch [--quick]

512 new tokens of the bundled model behind a prompt of 16, greedy, in float32: all of them without the cache, all with it, and
by transformers with its cache, the last two in turns. The samplers' cases are those of tests/sampling/test_sampling_peers.py,
which is run here; --quick: 24 tokens.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from statistics import median

from benchmarks import ROOT
from benchmarks._options import options
from benchmarks.promises import against, spread
from core.labs.inside import cache, model
from core.progress import drain

REPEATS = 3


def generation(new_tokens: int) -> dict:
    """Tokens a second. `beside_library` takes ours with the cache and the library's in turns."""
    from pydoc_data.topics import topics

    from core.scratch.models.transformer import generate

    tools = drain(model.load())
    ids = cache.prompt_ids(tools, topics["with"], 16)
    with_cache = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        text = list(generate(tools.model, ids, new_tokens))
        with_cache.append(new_tokens / (time.perf_counter() - started))
    started = time.perf_counter()
    without = list(generate(tools.model, ids, new_tokens, use_cache=False))
    plain = new_tokens / (time.perf_counter() - started)
    beside = drain(cache.beside_library(ids, new_tokens))
    return {
        "new_tokens": new_tokens,
        "tokens_per_s": {"with_cache": median(with_cache), "without": plain},
        "cache_times": median(with_cache) / plain,
        "spread": spread(speed / plain for speed in with_cache),
        "same_text": text == without,
        "beside_transformers": asdict(beside),
        "share_of_transformers": beside.here_per_s / beside.library_per_s,
    }


def samplers() -> dict:
    """1,000 random cases a filter and library."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/sampling/test_sampling_peers.py"]
    with tempfile.NamedTemporaryFile(suffix=".xml") as report:
        subprocess.run([*command, f"--junitxml={report.name}"], cwd=ROOT, stdout=subprocess.DEVNULL)
        from xml.etree import ElementTree

        suite = next(ElementTree.parse(report.name).getroot().iter("testsuite"))
    checks, bad = int(suite.get("tests", 0)), sum(int(suite.get(name, 0)) for name in ("failures", "errors", "skipped"))
    from tests.sampling.test_sampling_peers import CASES

    return {"checks": checks, "passed": checks - bad, "cases_each": CASES}


def main(quick: bool = False) -> dict:
    with tempfile.TemporaryDirectory() as home:
        os.environ["GROUNDWORK_HOME"] = home
        made, checked = generation(24 if quick else 512), samplers()
    values = {
        "cache_times": made["cache_times"],
        "share_of_transformers": made["share_of_transformers"],
        "sampler_checks_passed": checked["passed"] / max(1, checked["checks"]),
    }
    required = {name: against("scratch", name, value) for name, value in values.items()}
    spreads = {"required.cache_times": made.pop("spread")}
    return {"required": required, "generation": made, "samplers": checked, "spread": spreads, "load": list(os.getloadavg()[:2])}


if __name__ == "__main__":
    print(json.dumps(main(options(__doc__, "--quick").quick)))
