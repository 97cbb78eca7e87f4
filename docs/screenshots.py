"""The pictures of the README and the guide, made from a running app: `python -m docs.screenshots [NAME …]`. With `--every FOLDER` instead
each page at 1440 and 900 pixels, light and dark, for whoever judges the screens.

A fresh data folder, prepared and filled through the command line, so that the pictures show what a new user gets. The app
runs on a free port and is ended by its process id.
"""

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

from app import navigation

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
SIZE = {"width": 1440, "height": 900}
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
BASELINE = "baseline.fusion.part=sparse_only"
RECIPE = f"fusion.weight=0.5&{BASELINE}"
CASCADE = f"{RECIPE}&rerank.part=maxsim&rerank.depth=50&rerank_2.part=mmr&rerank_2.depth=10"
SPARSE_GRAPH = "index.part=faiss_hnsw&index.m=8&index.ef_construction=40&index.ef_search=16"
SWEEPS = {
    "faiss_hnsw": ["index.m=4,8,16", "index.ef_construction=40", "index.ef_search=8,12,16,24,32,48,64,96"],
    "faiss_ivf": ["index.nlist=32", "index.nprobe=1,2,4,8,16,32"], "faiss_ivf_pq": ["index.nlist=32", "index.rescore=1,4,16"],
}  # fmt: skip
QUESTION = "What does the with statement do?"
ASKED = "ask_model?question=What+happens+if+I+delete+a+variable+that+was+never+assigned%3F"
SAMPLING = f"tune_sampling?{RECIPE}&question={QUESTION.replace(' ', '+')}&chain=top_k%3D40+top_p%3D0.95+temperature%3D0.8"
SCORED = "score_answers?fusion.part=sparse_only&generation.repeat_penalty=1.3&scored=12&answer=pr-139"
PLAIN = ("add_to_paper", "prompt_editor", "write_paper", "study_plan", "query_store")  # words rather than charts
COLOURS = {"score_answers": 24, **dict.fromkeys(PLAIN, 16)}
STUDY, PAPER, PUBLISHED = "sizes-and-k1", "chunk-sizes", "python-handbook"
IN_PLACE = "tune_chunks?fusion.part=sparse_only&study_here=true"
READY = """() => document.querySelector('[data-testid=stApp]')?.getAttribute('data-test-script-state') === 'notRunning'
  && !document.querySelector('[data-testid=stSkeleton], [data-testid=stSpinner]')"""
NOTES = """<h1>Station handbook</h1><h2>Tide gauge</h2><p>The float gauge is read every six minutes. Clean the stilling well
each spring, before the first storms, and note the water level by the staff before and after.</p><h2>Rain gauge</h2><p>Empty
the tipping bucket by hand after frost: ice in the funnel holds back the melt water, and the day reads dry.</p>"""


@contextmanager
def running_app(home: Path) -> Iterator[str]:
    """Address of the app, which ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "app/server.py", "--server.port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(home), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=1)
                break
            except OSError:
                time.sleep(0.25)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)


def environment(home: Path) -> dict[str, str]:
    """Without local data sets, as on a machine where nothing was downloaded."""
    kept = {name: value for name, value in os.environ.items() if name != "GROUNDWORK_DATASETS"}
    return {**kept, "GROUNDWORK_HOME": str(home), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1"}


def core(home: Path, *arguments: str, good: tuple[int, ...] = (0,)) -> object:
    done = subprocess.run(
        [sys.executable, "-m", "core", *arguments, "--json"], cwd=ROOT, env=environment(home), stdout=subprocess.PIPE, text=True
    )
    if done.returncode not in good:
        raise SystemExit(f"{arguments[0]} ended with {done.returncode}: {done.stdout}")
    return json.loads(done.stdout)


def fill(home: Path, folder: Path, browser) -> str:
    """The built-in corpus, some trials and a collection of own documents; returns the trials to compare."""
    core(home, "prepare")
    ids = [core(home, "run", "--set", f"fusion.part={part}")["id"] for part in ("sparse_only", "dense_only", "rrf", "convex")]
    core(home, "sweep", "--grid", "fusion.weight=0.1:0.9:0.2")
    for encoder in ("embedding.pooling=cls", "embedding.part=lsa"):
        core(home, "prepare", "--set", encoder, "--set", "fusion.part=dense_only")
    for part, grid in SWEEPS.items():
        core(home, "index-sweep", "--set", f"index.part={part}", *(word for one in grid for word in ("--grid", one)))
    core(home, "prepare", *(word for setting in CASCADE.split("&") if setting[:4] != "base" for word in ("--set", setting)))
    core(home, "convert-model")
    core(home, "train-moe", "--both")
    core(home, "score-answers", "--ask", "12", "--set", "fusion.part=sparse_only", "--set", "generation.repeat_penalty=1.3")
    study(home, folder)
    sizes(home, folder)
    paper(home, folder)
    service(home)
    documents = folder / "documents"
    documents.mkdir()
    page = browser.new_page()
    page.set_content(NOTES)
    (documents / "station-handbook.pdf").write_bytes(page.pdf(format="A5"))
    page.close()
    (documents / "calibration.md").write_text(
        "# Calibration\n\nThe barometer is compared with the travelling standard once a "
        "year.\nA drift above 0.3 hPa is reported.\n"
    )
    (documents / "damaged.pdf").write_bytes(b"%PDF-1.7\n1 0 obj\n<< /Type /Catalog")
    questions = folder / "questions.csv"
    questions.write_text(
        "question,document,answer\nHow often is the float gauge read?,station-handbook,every six minutes\n"
        "Which drift is reported?,calibration,A drift above 0.3 hPa is reported\n"
    )
    core(home, "ingest", "station", str(documents), "--questions", str(questions), good=(1,))  # one file is damaged
    return ",".join(ids)


def study(home: Path, folder: Path) -> None:
    """A pilot over stored answers; and QAGS, where it lies in GROUNDWORK_DATASETS, for labels that people really gave."""
    core(home, "answer-questions", "--ask", "8", "--set", "fusion.part=sparse_only", "--set", "generation.repeat_penalty=1.3")
    plan = folder / "study.yaml"
    plan.write_text(
        json.dumps(
            {
                "id": "pilot",
                "title": "Are the answers supported?",
                "question": "Which sentences do the passages support?",
                "annotators": ["reader-1", "reader-2"],
                "per_item": 2,
                "draw": {"count": 8, "pilot": 8},
            }
        )
    )
    core(home, "annotate", "draft", str(plan))
    core(home, "annotate", "freeze", "pilot", "pilot")
    qags = Path(os.environ.get("GROUNDWORK_DATASETS", "")) / "qags" / "mturk_cnndm.jsonl"
    if qags.is_file():
        core(home, "annotate", "qags", str(qags))


def sizes(home: Path, folder: Path) -> None:
    """A study of recipes, run whole."""
    plan = folder / "sizes.yaml"
    plan.write_text(
        json.dumps(
            {
                "id": STUDY,
                "title": "Chunk size and k1 of BM25",
                "question": "Which chunk size and which saturation k1 find the evidence best?",
                "base": {"fusion.part": "sparse_only", "chunking.size_tokens": 128, "chunking.overlap_tokens": 16},
                "choose_on": "dev",
                "report_on": "test",
                "factors": [
                    {"setting": "chunking.size_tokens", "values": [32, 64, 128, 256, 400]},
                    {"setting": "sparse.k1", "values": [0.5, 1.5, 3.0]},
                ],
            }
        )
    )
    core(home, "study", str(plan))


def paper(home: Path, folder: Path) -> None:
    """Of that study a paper, and its bundle set in LaTeX, where that is installed."""
    measured = core(home, "leaderboard", STUDY)["leaderboard"]
    base = next(row["trial"] for row in core(home, "study-results", STUDY) if row["to the base"] is None)
    best = next(row["trial"] for row in measured if row["trial"] != base)
    metrics = ["--metric", "ndcg_linear", "--metric", "recall"]
    some = " ".join(["trials-table", base, *[row["trial"] for row in measured if row["trial"] != base][:4], *metrics])
    core(home, "paper", "create", "Chunk sizes and k1 on the Python reference", "--id", PAPER)
    core(home, "paper", "table", PAPER, "main", some, "--caption", "The base and the four best of the study, dev half.")
    core(home, "paper", "figure", PAPER, "gains", some, "--drawing", "differences", "--caption", "Differences to the base.")
    core(home, "paper", "number", PAPER, "gain", f"compare {base} {best}", "--value", "difference", "--form", "signed")
    core(home, "export", PAPER, "--out", str(folder / "paper.zip"))
    with zipfile.ZipFile(folder / "paper.zip") as archive:
        archive.extractall(folder / "paper")
    if shutil.which("pdflatex"):
        main = next((folder / "paper").rglob("main.tex"))
        subprocess.run(["make", "-C", str(main.parent)], check=True, stdout=subprocess.DEVNULL)
        shutil.copy(main.with_suffix(".pdf"), folder / "paper.pdf")


def service(home: Path) -> None:
    """A recipe is published and served, asked for answers, loaded with searches, and its canaries are asked."""
    core(home, "serving", "publish", PUBLISHED, "--ask", "8", "--why", "a first look")
    from core.serving.starting import running_service

    with running_service(
        home, lambda port: ["-m", "core", "serve", "--published", PUBLISHED, "--port", str(port)], PUBLISHED
    ) as (url, _):
        load = ("serving", "load", "--questions", "python-reference", "--url", url)
        # 1: a driver that was late tells no number
        core(home, *load, "--path", "/answer", "--rate", "0.25", "--seconds", "60", "--slo-ms", "10000", good=(0, 1))
        core(home, *load, "--path", "/search", "--rate", "1,2,5,10", "--seconds", "20", "--slo-ms", "100", good=(0, 1))
        core(home, "serving", "canaries", PUBLISHED, "--url", url)


def settle(page) -> None:
    """Until the script of the page has ended and stays so, and charts are drawn."""
    for _ in range(3):
        page.wait_for_timeout(700)
        page.wait_for_function(READY)


def top(page, text: str, above: int = 60) -> None:
    """Scrolls until the heading stands at the top."""
    heading = page.get_by_role("heading", name=re.compile(text)).last
    heading.evaluate(f"e => {{ e.style.scrollMarginTop = '{above}px'; e.scrollIntoView({{block: 'start'}}) }}")
    page.wait_for_timeout(400)


def show(page, text: str, above: int = 90) -> None:
    """Scrolls until a chart's title stands near the top."""
    page.get_by_text(text).last.evaluate(
        f"e => {{ e.style.scrollMarginTop = '{above}px'; e.scrollIntoView({{block: 'start'}}) }}"
    )
    page.wait_for_timeout(400)


def pick_row(page, row: int = 0) -> None:
    """A click on a row of the last table, which is drawn on a canvas: header and rows are 35 px high."""
    table = page.get_by_test_id("stDataFrame").last
    table.scroll_into_view_if_needed()
    table.click(position={"x": 15, "y": 35 * (row + 1) + 17})
    settle(page)


def health(page) -> None:
    page.get_by_text("What this machine offers").wait_for()
    settle(page)


def scroll_texts(page, pixels: int) -> None:
    """Inside the boxes of text, to where there is something to see."""
    page.evaluate(f"document.querySelectorAll('.gw-scroll').forEach(box => {{ box.scrollTop = {pixels} }})")
    page.wait_for_timeout(400)


def evidence(page) -> None:
    scroll_texts(page, 400)


def boundaries(page) -> None:
    text = page.locator(".gw-text").first
    text.evaluate("e => { e.style.scrollMarginTop = '220px'; e.scrollIntoView({block: 'start'}) }")
    scroll_texts(page, 900)


def one_question(page) -> None:
    page.get_by_placeholder("words of a question").fill("Two words with accents")
    page.keyboard.press("Enter")
    settle(page)
    pick_row(page)
    top(page, "Two words with accents")


def ask(page) -> None:
    page.get_by_role("button", name="Ask", exact=True).click()
    page.get_by_role("tab", name=re.compile("Passages")).wait_for()
    settle(page)


def waterfall(page) -> None:
    ask(page)
    tab("Where it comes from")(page)


def prompt_editor(page) -> None:
    title = page.locator("summary", has_text="Prompt: the template")
    title.click()
    settle(page)
    title.evaluate("e => { e.style.scrollMarginTop = '90px'; e.scrollIntoView({block: 'start'}) }")
    page.wait_for_timeout(400)


def cascade(page) -> None:
    """The steps of the ranking beside what they are worth."""
    page.locator(".st-key-open_stage button", has_text="Reranking, second step").click()
    settle(page)


def ablation(page) -> None:
    tab("Ablation")(page)
    if (job := page.get_by_role("button", name="Ablate")).count():
        job.click()
    page.get_by_text("Each part switched off").wait_for(timeout=400_000)
    settle(page)


def word_by_word(page) -> None:
    page.get_by_text("Word by word", exact=True).click()
    settle(page)
    chart = page.locator("[class*=st-key-chart-word-by-word]")
    chart.evaluate("e => { e.style.scrollMarginBottom = '30px'; e.scrollIntoView({block: 'end'}) }")
    page.wait_for_timeout(400)


def next_token(page) -> None:
    page.get_by_role("button", name="Write the answer").click(timeout=240_000)
    page.get_by_role("button", name="Write again").wait_for()
    settle(page)
    page.locator(".st-key-tokens button").nth(2).click()
    settle(page)


def heads(page) -> None:
    """The bundled model is converted the first time."""
    page.get_by_role("button", name="Read the prompt").click()
    page.get_by_text("click a head to open it").wait_for(timeout=240_000)
    settle(page)
    show(page, "Entropy of the heads")


def cache_curves(page) -> None:
    page.get_by_role("button", name="Measure").click()
    page.get_by_text("Memory of the cache").wait_for(timeout=400_000)
    settle(page)


def chosen_trials(page) -> None:
    top(page, "Differences", above=320)


def study_in_place(page) -> None:
    """Started, where it was not, and measured."""
    if page.get_by_role("button", name="Start the experiment").count():
        page.get_by_role("button", name="Start the experiment").click()
    page.get_by_text("All trials are measured").wait_for(timeout=400_000)
    settle(page)
    page.get_by_test_id("stToast").first.wait_for(state="detached", timeout=30_000)
    show(page, "Chunking: method", above=80)


def export_menu(page) -> None:
    chart = page.get_by_text("Recipes by nDCG@10")
    chart.evaluate("e => { e.style.scrollMarginTop = '560px'; e.scrollIntoView({block: 'start'}) }")
    page.get_by_test_id("stPopover").filter(has_text="download").last.locator("button").first.click()
    page.get_by_test_id("stPopoverBody").get_by_role("button", name="Add to paper").wait_for()
    settle(page)


def own_documents(page) -> None:
    top(page, "station", above=360)


def scored_answer(page) -> None:
    """One with its claims, their evidence and its wrong words."""
    page.locator(".st-key-opened").evaluate("e => { e.style.scrollMarginTop = '80px'; e.scrollIntoView({block: 'start'}) }")
    page.wait_for_timeout(400)


def tab(name: str) -> Callable:
    def act(page) -> None:
        page.get_by_role("tab", name=name, exact=True).click()
        settle(page)
        page.get_by_role("tab", name=name, exact=True).evaluate(
            "e => { e.style.scrollMarginTop = '90px'; e.scrollIntoView({block: 'start'}) }"
        )
        page.wait_for_timeout(400)

    return act


def opened_trace(page) -> None:
    words = page.get_by_label("With the words")
    words.fill("/answer")
    words.press("Enter")
    settle(page)
    pick_row(page)
    page.locator("[class*=st-key-chart-waterfall]").first.evaluate(
        "e => { e.style.scrollMarginTop = '90px'; e.scrollIntoView({block: 'start'}) }"
    )
    page.wait_for_timeout(400)


def pictures(trials: str) -> dict[str, tuple[str, Callable | None]]:
    """name -> (address, what is done there; what returns pictures gives a film)"""
    return {
        "overview": ("", health),
        "browse_corpus": ("browse_corpus?document=assert", evidence),
        "own_documents": ("browse_corpus?tab=Own+documents&corpus.dataset=station", own_documents),
        "tune_chunks": ("tune_chunks?compare=true&second.chunking.part=fixed&document=with", None),
        "chunk_boundaries": ("tune_chunks?compare=true&second.chunking.part=fixed&document=with", boundaries),
        "compare_encoders": ("compare_encoders", None),
        "encoder_map": ("compare_encoders", tab("Map")),
        "tune_index": (f"tune_index?{SPARSE_GRAPH}", None),
        "index_frontier": (f"tune_index?{SPARSE_GRAPH}", tab("Frontier")),
        "index_inside": (f"tune_index?{SPARSE_GRAPH}", tab("Structure")),
        "slider": (f"search_live?fusion.weight=0&{BASELINE}", moving),
        "search_live": (f"search_live?{RECIPE}", None),
        "search_live_dark": (f"search_live?{RECIPE}", None),
        "search_cascade": (f"search_live?{CASCADE}", cascade),
        "word_by_word": (f"search_live?{CASCADE}&chosen=pr-030&chart=Questions", word_by_word),
        "ablation": (f"search_live?{RECIPE}&query.part=rm3&rerank.part=mmr", ablation),
        "side_by_side": (f"search_live?{RECIPE}", one_question),
        "explain_failures": (f"explain_failures?{RECIPE}&context.passages=3", None),
        "ask_model": (ASKED, ask),
        "ask_waterfall": (f"{ASKED}&{CASCADE}", waterfall),
        "prompt_editor": (f"ask_model?question={QUESTION.replace(' ', '+')}", prompt_editor),
        "tune_sampling": (SAMPLING, next_token),
        "sampling_answer": (f"{SAMPLING}&view=The+answer", next_token),
        "inspect_model": ("inspect_model?view=Attention", heads),
        "inspect_sizes": ("inspect_model", None),
        "inspect_cache": ("inspect_model?view=KV+cache&new_tokens=256&every=16", cache_curves),
        "inspect_tokenizers": ("inspect_model?view=Tokenizers", None),
        "inspect_experts": ("inspect_model?view=Mixture+of+experts", None),
        "score_answers": (SCORED, scored_answer),
        "design_study": ("design_study?study=pilot", None),
        "label_answers": ("label_answers?study=pilot&annotator=reader-1", None),
        "measure_agreement": ("measure_agreement?source=qags", None),
        "agreement_machines": ("measure_agreement?source=qags", tab("People against machines")),
        "run_study": (f"run_study?study={STUDY}", None),
        "study_plan": (f"run_study?study={STUDY}&study_view=Plan", None),
        "study_factors": (f"run_study?study={STUDY}&study_view=Factors", None),
        "compare_trials": (f"compare_trials?trials={trials}", chosen_trials),
        "trials_leaderboard": (f"compare_trials?sweep={STUDY}", tab("Leaderboard")),
        "add_to_paper": (f"compare_trials?sweep={STUDY}", export_menu),
        "study_in_place": (IN_PLACE, study_in_place),
        "write_paper": (f"write_paper?paper={PAPER}", None),
        "serve_load": ("serve_recipe?serve_view=Load", None),
        "serve_trace": ("serve_recipe?serve_view=Traces", opened_trace),
        "query_store": ("query_store", None),
    }


def save(picture: bytes, path: Path, colours: int = 64) -> None:
    _fewer(picture, colours).save(path, optimize=True)


def moving(page) -> list[bytes]:
    """The dense weight dragged over its whole range and back to its best: a picture of recipe, cards and chart a value."""
    page.locator(".gw-knob-track").wait_for()
    box, some = page.locator(".gw-knob-track").bounding_box(), []
    part = {"x": 312, "y": 154, "width": 1100, "height": 570}
    page.mouse.move(box["x"], box["y"] + box["height"] / 2)
    page.mouse.down()
    for step in [*range(21), *range(19, 11, -1)]:
        page.mouse.move(box["x"] + step / 20 * box["width"], box["y"] + box["height"] / 2)
        page.wait_for_timeout(150)
        some.append(page.screenshot(clip=part))
    page.mouse.up()
    settle(page)
    page.mouse.move(0, 0)
    return [*some, page.screenshot(clip=part)]


def film(pictures: list[bytes], path: Path) -> None:
    """They follow each other for ever, the last one long."""
    first, *others = (_fewer(picture, 32) for picture in pictures)
    shown = [120] * len(others) + [3000]  # ms
    first.save(path, save_all=True, append_images=others, duration=shown, loop=0, optimize=True)


def _fewer(picture: bytes, colours: int) -> Any:
    """With few colours, less than half the size: the commonest as they are, so that no grey is tinted, and for the rest those that
    let a few dots of a chart keep theirs.
    """
    import numpy as np
    from PIL import Image

    whole = Image.open(BytesIO(picture)).convert("RGB")
    counted = sorted(whole.getcolors(whole.width * whole.height), reverse=True)
    exact = [part for _, colour in counted[: colours // 4] for part in colour]
    rest = whole.quantize(colours - colours // 4, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).getpalette()
    palette = np.array(exact + rest).reshape(-1, 3)[:colours]
    # Pillow's own search for the nearest colour is a rough one, which greys the white
    every, places = np.unique(np.asarray(whole).reshape(-1, 3), axis=0, return_inverse=True)
    nearest = ((every[:, None].astype(int) - palette) ** 2).sum(axis=2).argmin(axis=1)
    few = Image.fromarray(nearest[places].reshape(whole.height, whole.width).astype("uint8"), "P")
    few.putpalette(palette.astype("uint8").tobytes())
    return few


def every(browser, address: str, folder: Path) -> None:
    """Each page as it opens."""
    folder.mkdir(parents=True, exist_ok=True)
    for width, scheme in product((1440, 900), ("light", "dark")):
        context = browser.new_context(viewport={**SIZE, "width": width}, color_scheme=scheme)
        context.set_default_timeout(90_000)
        page = context.new_page()
        for name in navigation.entries():
            page.goto(f"{address}/{name}")
            page.get_by_role("heading").first.wait_for()
            settle(page)
            page.screenshot(path=folder / f"{name}_{width}_{scheme}.png")
        context.close()


def printed(path: Path) -> bytes:
    """The first page of a PDF as a picture."""
    import pypdfium2

    picture, file = pypdfium2.PdfDocument(path)[0].render(scale=4).to_pil(), BytesIO()
    picture.reduce(3).save(file, "png")  # from above: glyphs stand where they do in print
    return file.getvalue()


def main(names: list[str], judged: Path | None) -> None:
    from playwright.sync_api import sync_playwright

    from core.report.figures import find_browser

    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as engine:
        home = Path(folder) / "data"
        browser = engine.chromium.launch(executable_path=find_browser(), args=FLAGS)
        trials = fill(home, Path(folder), browser)
        with running_app(home) as address:
            if judged:
                return every(browser, address, judged)
            for name, (place, act) in pictures(trials).items():
                if names and name not in names:
                    continue
                context = browser.new_context(viewport=SIZE, color_scheme="dark" if name.endswith("_dark") else "light")
                context.set_default_timeout(90_000)
                page = context.new_page()
                page.goto(f"{address}/{place}")
                page.get_by_role("heading").first.wait_for()
                settle(page)
                if act and (pictures_in_turn := act(page)):
                    film(pictures_in_turn, path := IMAGES / f"{name}.gif")
                else:
                    save(page.screenshot(), path := IMAGES / f"{name}.png", COLOURS.get(name, 64))
                print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB", flush=True)
                context.close()
        browser.close()
        if (pdf := Path(folder) / "paper.pdf").is_file() and (not names or "paper_pdf" in names):
            save(printed(pdf), IMAGES / "paper_pdf.png", 16)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m docs.screenshots", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--every", type=Path, metavar="FOLDER")
    given = parser.parse_args()
    main(given.names, given.every)
