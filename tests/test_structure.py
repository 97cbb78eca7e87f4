"""One way for each small thing: what the code does in one place only."""

import ast
import io
import re
import tokenize
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.support.sources import ALL, PAGES, ROOT, SCREENS, SOURCES, name_of, nodes_of, tree_of

pytestmark = pytest.mark.usefixtures("trees")


def test_the_end_of_a_long_verb_is_told_by_progress_only():
    """Loop over `progress.Running(work)` and read its `result`; `StopIteration` is easily lost inside a generator."""
    texts = {name_of(path): path.read_text("utf-8") for path in ALL if path != Path(__file__)}
    assert not [name for name, text in texts.items() if re.search(r"\bStopIteration\b", text)]


def moves(path: Path) -> list[str]:
    """Line and name of each call, or import of a name, that gives a file another place."""
    lines = []
    for node in nodes_of(path):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            # text is replaced by two arguments, a time's parts and a table's columns by name
            by_method = name.endswith((".rename", ".replace")) and len(node.args) == 1 and not node.keywords
            names = {name} if by_method or name in ("os.rename", "os.replace", "os.renames", "shutil.move") else set()
        elif isinstance(node, ast.ImportFrom) and node.module in ("os", "shutil"):
            names = {alias.name for alias in node.names} & {"rename", "replace", "renames", "move"}
        else:
            names = set()
        lines += [f"{name_of(path)}:{node.lineno}: {name}" for name in names]
    return lines


def test_files_are_put_in_place_by_one_module_only():
    """`files.write_whole`, `files.made_whole` and `files.take_place` do it: names that nobody shares, and synced."""
    assert not [line for path in SOURCES if name_of(path) != "core/files/__init__.py" for line in moves(path)]


# Who parses JSON beside the door for texts of others (core/files/texts.py), and why it is nobody else's text
PARSES = {
    "app/ui/overview/health.py": "what our own process says",
    "core/agents/crewai_child.py": "what the process that started this one says, in an environment without core",
    "core/annotation/stored_answers.py": "a column of our tables",
    "core/labs/answers/to_judge.py": "a column of our tables",
    "core/annotation/formats/label_studio.py": "places in a text that the door has read",
    "core/annotation/formats/label_studio_client.py": "what the process that started this one asks",
    "core/corpus/packed.py": "the cache, behind its checksum",
    "core/corpus/parse.py": "a user's file, in a process of its own with little memory and time, which imports nothing of core",
    "core/corpus/pdf_page.py": "what the process that started this one asks",
    "core/files/texts.py": "the door",
    "core/labs/experiments/search.py": "a column of our tables",
    "core/labs/index/points.py": "columns of our tables",
    "core/labs/papers/derived.py": "what was written on the same line",
    "core/labs/papers/paper.py": "what was written on the same line",
    "core/labs/scores/behind.py": "a column of our tables",
    "core/labs/scores/judges.py": "a column of our tables",
    "core/labs/trials/comparison.py": "a column of our tables",
    "core/labs/trials/recorded_answers.py": "columns of our tables",
    "core/labs/trials/views.py": "a column of our tables",
    "core/report/figures.py": "what the process that started this one asks",
    "core/serving/driver.py": "whether a service's reply is JSON at all; its value is dropped",
    "core/serving/web.py": "a body that the guard has bounded, as FastAPI reads it",
    "core/store/journal.py": "what was written on the line before",
    "core/store/sql_child.py": "what the process that started this one asks",
    "core/store/sql_process.py": "what our own process says",
    "core/training/tokenizers.py": "what the library writes of its own object",
}
YAML_WRITES = {"yaml.safe_dump", "yaml.dump"}
PARSERS = re.compile(
    r"(json|orjson)\.(loads?|JSONDecoder)|\w+\.(model_validate_json|validate_json)|pd\.read_json|tomllib\.loads?"
)


def parsed(path: Path) -> set[str]:
    """The parsers of JSON and YAML that it names, called or handed on."""
    names = set()
    for node in nodes_of(path):
        if isinstance(node, ast.Attribute):
            names.add(ast.unparse(node) if isinstance(node.value, ast.Name) else f"_.{node.attr}")
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):  # under another name it would not be seen below
            names |= {f"{alias.name}.loads" for alias in node.names if alias.asname}
    return {name for name in names if PARSERS.fullmatch(name) or name.startswith("yaml.") and name not in YAML_WRITES}


def test_texts_of_others_come_in_by_one_door():
    """`files.read_yaml` and `files.read_json` bound what they read and say what is wrong with it; nothing else parses either."""
    by_file = {name_of(path): names for path in SOURCES if (names := parsed(path))}
    assert {name for name, names in by_file.items() if any(each.startswith("yaml.") for each in names)} == {"core/files/texts.py"}
    assert set(by_file) == set(PARSES)


# what libraries write files with: each has words of its own for a full disk, and some have none
SAVERS = re.compile(
    r"(?:\w+\.)*(?:save_pretrained|save_file|save_index|write_index|write_tensors_to_file|llama_model_quantize)"
    r"|torch\.onnx\.export|.*\.(?:savez?|savefig|tofile|to_parquet|write_image)",
    re.DOTALL,
)
# what is called so and is ours: it writes by `core.files`
OURS = re.compile(r"(?:rounds|prices|book|fitted|desk|self\.work|(?:.*\.)?_?cache)\.save")
TOLD = re.compile(r"(?:files\.|disk\.)?(?:made_whole|disk_reported|write_whole)\(")
# who saves within what another opened -> where
SAVED_WITHIN = {
    "core/corpus/pdf_page.py": "a process of its own, whose end is told",
    "core/index/faiss_tools.py": "SavedIndex.write in core/index/common.py",
    "core/index/hnswlib_graph.py": "SavedIndex.write in core/index/common.py",
    "core/reranking/token_store.py": "memory: write_whole",
    "core/embedding/vectors.py": "memory: write_whole",
    "core/report/outlines.py": "memory",
    "core/scratch/models/moe.py": "train in the same file",
    "core/training/adapters/training.py": "at_work in core/training/log.py",
    "core/training/encoders/loop.py": "at_work in core/training/log.py",
    "core/training/heads/loop.py": "at_work in core/training/log.py",
    "core/training/heads/low_rank_spans.py": "at_work in core/training/log.py",
    "core/training/low_rank.py": "at_work in core/training/log.py",
    "core/training/steps.py": "memory: write_whole",
}


def saved_untold(path: Path) -> list[str]:
    """Calls of savers that stand in no block, and in no call, that says what the disk refuses."""
    told = set()
    for node in nodes_of(path):
        opens = [ast.unparse(item.context_expr) for item in node.items] if isinstance(node, ast.With) else []
        told_by = opens or ([f"{ast.unparse(node.func)}("] if isinstance(node, ast.Call) else [])
        if any(map(TOLD.match, told_by)):
            told |= {id(inner) for inner in ast.walk(node)}
    calls = [node for node in nodes_of(path) if isinstance(node, ast.Call) and id(node) not in told]
    names = [ast.unparse(call.func) for call in calls]
    return [name for name in names if SAVERS.fullmatch(name) and not OURS.fullmatch(name)]


def test_what_a_library_saves_says_what_the_disk_refuses():
    """`files.made_whole` and `files.write_whole` word it; what is saved in several steps stands in `files.disk_reported`."""
    assert {name_of(path) for path in SOURCES if saved_untold(path)} == set(SAVED_WITHIN)


# children that answer the process that started them, on a pipe
ANSWERING = {
    "core/annotation/formats/label_studio_client.py",
    "core/corpus/pdf_page.py",
    "core/labs/doctor/probing.py",
    "core/store/sql_child.py",
}


def said(path: Path) -> set[str]:
    """Where a file writes: to standard output, "out", by print alone, else to what it names."""
    calls = [node for node in nodes_of(path) if isinstance(node, ast.Call)]
    prints = [call for call in calls if ast.unparse(call.func) == "print"]
    named = {ast.unparse(word.value) for call in prints for word in call.keywords if word.arg == "file"}
    written = {ast.unparse(call.func) for call in calls if re.match(r"sys\.std(out|err)\..*write", ast.unparse(call.func))}
    return named | written | ({"out"} if prints else set())


def test_what_reaches_a_terminal_is_inert():
    """The command line prints to standard output, which `core.cli.terminal` makes inert, and to standard error by its `tell`."""
    places = {name_of(path): said(path) for path in SOURCES if said(path) and name_of(path).startswith("core/")}
    assert {name for name in places if not name.startswith("core/cli/")} == ANSWERING
    named = {name: words - {"out"} for name, words in places.items() if words - {"out"} and name not in ANSWERING}
    assert named == {"core/cli/terminal.py": {"sys.stderr"}, "core/cli/frame.py": {"stream"}}, "the one, and what no stream took"


@pytest.mark.parametrize(("find", "text"), [
    (parsed, "import yaml\nyaml.safe_load(text)"), (parsed, "import yaml\nread = yaml.CSafeLoader"), (parsed, "from yaml import load"),
    (parsed, "import json\njson.loads(text)"), (parsed, "from json import load"), (parsed, "import json as words\nwords.loads(text)"),
    (parsed, "Recipe.model_validate_json(text)"), (parsed, "read = json.JSONDecoder().decode"),
    (saved_untold, "tokenizer.save(path)"), (saved_untold, "torch.save(state, path)"), (saved_untold, "made().image.save(path)"),
    (saved_untold, "with open(path) as file:\n    np.savez(file, a)"), (saved_untold, "model.save_pretrained(folder)"),
    (said, "print(title)"), (said, "print(title, file=sys.stderr)"), (said, "sys.stdout.buffer.write(title)"),
])  # fmt: skip
def test_each_of_these_rules_finds_what_breaks_it(find, text, tmp_path):
    broken, kept = tmp_path / "broken.py", tmp_path / "kept.py"
    broken.write_text(text)
    assert find(broken)
    kept.write_text(
        "import json\nwith files.made_whole(path) as made:\n    model.save(made)\njson.dumps(values)\ncache.save(entry)"
    )
    assert not find(kept)


LONGEST = 600  # lines of a file


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def reaches(path: Path) -> list[str]:
    """Where a screen goes behind the verbs: to the store, the pipeline or the library."""
    found = []
    for node in nodes_of(path):
        if isinstance(node, ast.Attribute) and node.attr in ("store", "pipeline", "library"):  # of whatever variable
            found.append(ast.unparse(node))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            above = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            names = [above, *(above + alias.name for alias in node.names)]
            found += [name for name in names if re.match(r"core\.(store|pipeline|corpus\.library)\b", name)]
    return found


def test_screens_reach_verbs_only():
    """What a screen lacks becomes a verb of core/workbench.py or core/labs, which the command line has too."""
    assert not {name_of(path): there for path in SCREENS if (there := reaches(path))}


def test_who_leads_to_another_page_says_its_address():
    """Without one Streamlit clears the address, and fails where a widget is bound to a part of it."""
    calls = [
        ast.unparse(node)
        for folder in ("app", "pages")
        for path in (ROOT / folder).rglob("*.py")
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("switch_page")
    ]
    assert calls and [call for call in calls if "query_params=" not in call or "None" in call] == []


def test_a_page_says_its_blocks_and_their_order_and_nothing_else():
    """What they draw stands in app/ui, a folder a subject."""
    assert PAGES and not {name_of(path): lines(path) for path in PAGES if lines(path) > 100}


def test_a_file_is_short_enough_to_be_read():
    assert not {name_of(path): lines(path) for path in ALL if lines(path) > LONGEST}


# Objects of other libraries, or of the system, of which only asking tells what they have
ASKED = {
    "app/ui/agreement/tables.py": "estimates of two kinds",
    "app/ui/answers/sources.py": "what a component of Streamlit returns",
    "app/ui/cards.py": "any exception",
    "app/ui/cells.py": "a table of any library, or pandas' styled one",
    "app/ui/export.py": "a recipe or a mapping",
    "app/ui/forms.py": "pydantic's bounds, stages without parts",
    "core/cli/frame.py": "a verb's result, or its steps",
    "core/corpus/reading.py": "which archive is open",
    "core/embedding/llm_hidden.py": "torch",
    "core/embedding/sentence_transformers.py": "sentence-transformers",
    "core/embedding/vectors.py": "zipfile's exceptions",
    "core/generation/llama_engine.py": "the system",
    "core/generation/torch_model.py": "transformers",
    "core/index/faiss_disk.py": "the system, numpy's maps",
    "core/jobs/jobs.py": "any verb's result",
    "core/labs/index/inside.py": "FAISS",
    "core/labs/systems/replies.py": "a system of any library",
    "core/memory/facts.py": "a thread's own state",
    "core/models/hardware.py": "the C library",
    "core/models/loading.py": "torch",
    "core/pipeline/memory.py": "any result, to weigh it",
    "core/records.py": "any record, to write it",
    "core/registry.py": "packages of stages, Python's own trees",
    "core/report/caption.py": "a recipe or a mapping",
    "core/store/backup.py": "the system's exceptions",
    "core/store/cache.py": "the system's exceptions",
    "core/store/database.py": "DuckDB's exceptions",
    "core/store/database_file.py": "a thread's own state",
    "core/store/journal.py": "numpy's numbers",
}


def asks(path: Path) -> bool:
    """Whether it asks an object whether it has an attribute."""
    calls = [node for node in nodes_of(path) if isinstance(node, ast.Call)]
    names = [(ast.unparse(call.func), len(call.args)) for call in calls]
    return ("hasattr", 2) in names or ("getattr", 3) in names


def test_nobody_asks_a_part_what_it_has():
    """What is optional stands in its kind's base class with a default (docs/adding_a_part.md)."""
    assert {name_of(path) for path in SOURCES if asks(path)} == set(ASKED)


def test_the_root_of_core_holds_eight_modules():
    """A new one belongs into a room (docs/architecture.md): a stage, a lab, what several of them need."""
    modules = "__init__ __main__ config errors progress records registry workbench".split()
    assert sorted(path.stem for path in (ROOT / "core").glob("*.py")) == modules


def laid_by_hand(path: Path) -> list[tuple[int, str]]:
    """Line and kind of what ends where the formatter is told to skip."""
    text = path.read_text("utf-8")
    if "# fmt: skip" not in text:
        return []
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    ends = {token.start[0] for token in tokens if token.type == tokenize.COMMENT and token.string.startswith("# fmt: skip")}
    kinds = []
    for node in nodes_of(path):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            values = [value for value in node.decorator_list if not ast.unparse(value).startswith("pytest.mark.parametrize(")]
        else:
            values = [getattr(node, "value", None) or node] if isinstance(node, ast.stmt) else []
        kinds += [(value.end_lineno, type(value).__name__) for value in values if value.end_lineno in ends]
    return kinds


def test_only_tables_of_data_are_laid_out_by_hand():
    """A literal collection, or the cases of a test; the formatter lays out everything else."""
    ends = [(name_of(path), *end) for path in ALL for end in laid_by_hand(path)]
    assert ends and not [end for end in ends if end[-1] not in ("Dict", "List", "Set", "Tuple")]


def test_class_names_in_core_are_unique():
    """Who reads a name in a signature, or searches for it, finds one thing."""
    sources = [path for path in SOURCES if path.is_relative_to(ROOT / "core")]
    trees = [tree_of(path) for path in sources]
    names = Counter(node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef))
    assert not [name for name, count in names.items() if count > 1]


GRAMMAR = {"found", "given", "kept", "known", "one"}  # words that tell no reader what a value is


def bound(path: Path) -> list[tuple[int, str]]:
    """Line and name of each variable, parameter, function and class. Fields are left out: records hold their names."""
    nodes = nodes_of(path)
    bodies = [node.body for node in nodes if isinstance(node, ast.ClassDef)]
    fields = {id(field.target) for body in bodies for field in body if isinstance(field, ast.AnnAssign)}
    names = []
    for node in nodes:
        match node:
            case ast.Name(id=name, ctx=ast.Store()) if id(node) not in fields:
                names.append((node.lineno, name))
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name) | ast.MatchAs(name=str(name)):
                names.append((node.lineno, name))
    return names


def test_names_are_nouns_and_verbs():
    names = [(name_of(path), *name) for path in SOURCES for name in bound(path)]
    assert not [name for name in names if name[-1].strip("_") in GRAMMAR]


# What nobody calls by its name, and why it is there
CALLED_BY_OTHERS = {
    "collect": "prometheus' collector",
    "connection_lost": "asyncio's protocol",
    "connection_made": "asyncio's protocol",
    "data_received": "asyncio's protocol",
    "embed_text": "ragas' embeddings",
    "emit": "logging's handler",
    "forward": "torch's module",
    "from_hnsw": "the graph written to be read, drawn as FAISS' is",
    "from_ivf": "the lists written to be read, drawn as FAISS' are",
    "get_context_window_size": "CrewAI's model",
    "handle_endtag": "html.parser's",
    "handle_startendtag": "html.parser's",
    "handle_starttag": "html.parser's",
    "logits_of": "a process' messages",
    "parse_comment": "html.parser's",
    "parse_marked_section": "html.parser's",
    "supports_function_calling": "CrewAI's model",
    "unknown_decl": "html.parser's",
}
# decorators by which the registry, a command or pydantic calls it
ENTERED = re.compile(r"(part|verb)\(|(model|field)_(validator|serializer)")


def called(nodes: Iterable[ast.AST]) -> Counter:
    """How often each name is read, by itself or as an attribute."""
    names = (node for node in nodes if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load))
    return Counter(node.id if isinstance(node, ast.Name) else node.attr for node in names)


def test_what_core_offers_is_used_outside_the_tests():
    """Delete what only tests use. A name counts as used by code other than its own, or by an example in the documents."""
    folders = ("core", "app", "pages", "benchmarks", "docs")
    trees = {path: nodes_of(path) for path in ALL if path.relative_to(ROOT).parts[0] in folders}
    examples = "".join(
        re.findall(r"```python\n.*?```", "".join(p.read_text("utf-8") for p in (ROOT / "docs").rglob("*.md")), re.S)
    )
    uses = Counter(re.findall(r"\w+", examples))
    for nodes in trees.values():
        uses.update(called(nodes))
    offered = {}
    nodes = [node for path, all_of in trees.items() if path.is_relative_to(ROOT / "core") for node in all_of]
    for node in (node for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef)):
        entered = any(ENTERED.match(ast.unparse(decorator)) for decorator in node.decorator_list)
        if not entered and not node.name.startswith("_"):
            offered.setdefault(node.name, []).append(node)
    rare = {name: nodes for name, nodes in offered.items() if uses[name] < 9}  # of more uses, not all are in the thing itself
    unused = {name for name, nodes in rare.items() if uses[name] <= sum(called(ast.walk(node))[name] for node in nodes)}
    assert unused == set(CALLED_BY_OTHERS)
