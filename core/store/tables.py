"""The tables of the database: their columns in words, the views over them, and questions to start from.

All of it can be thrown away and made again from the journal, so a new table or column changes `SHAPE`, and there is no migration.
"""

from typing import NamedTuple

from core.config import PART_KINDS
from core.registry import digest
from core.store.batch_tables import BATCH_TABLES

SCHEMA = 11  # one of a smaller number is rebuilt, one of a larger is of a newer version
RECORDED = {"id": ("VARCHAR", "Time-ordered id."), "created": ("TIMESTAMP", "When it was recorded (UTC).")}
VERSION = RECORDED | {"id": ("VARCHAR", "Time-ordered id of the version.")}

# In the order in which rows are inserted: a set of questions after its questions, see UNLESS.
# table -> (what a row is, {column: (type, meaning)})
TABLES: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "trials": (
        "One row a trial: a whole recipe, measured once. The same recipe again is a new row.",
        {
            "id": ("VARCHAR", "Time-ordered id."),
            "created": ("TIMESTAMP", "When the trial was recorded (UTC)."),
            "name": ("VARCHAR", "What people call it, by the last of its trial_notes; NULL: not named."),
            "note": ("VARCHAR", "What people wrote about it."),
            "tags": ("VARCHAR[]", "Its tags; list_contains(tags, 'paper') filters by one."),
            "dataset": ("VARCHAR", "Corpus and questions, as `corpus list` names them."),
            "status": ("VARCHAR", "ok, failed or interrupted."),
            "reason": ("VARCHAR", "Why it is not ok."),
            "sweep": ("VARCHAR", "The sweep it belongs to, or empty."),
            "made_name": ("VARCHAR", "What differs from the default recipe, in a few words; NULL: not to be told."),
            "recipe": ("VARCHAR", "The same stage by stage, without the corpus."),
            "corpus": ("VARCHAR", "The corpus, and what of its settings differs from the defaults."),
            "k": ("INTEGER", "Depth at which the rankings were judged."),
            "overlap": ("DOUBLE", "Share of a span that a chunk has to cover."),
            **{field: ("VARCHAR", f"Name of its part of the kind {kind}.") for field, kind in PART_KINDS.items()},
            "seed": ("BIGINT", "Seed of everything random in it."),
            "num_queries": ("INTEGER", "Questions it has a ranking for."),
            "total_ms": ("DOUBLE", "Sum of the stages' times, in milliseconds."),
            "config_fingerprint": ("VARCHAR", "Identity of the recipe: repeats share it."),
            "questions_fingerprint": ("VARCHAR", "Identity of the questions: trials that share it can be paired."),
            "corpus_fingerprint": ("VARCHAR", "Identity of the documents."),
            "recipe_fingerprint": ("VARCHAR", "Identity of the recipe but for its seed."),
            "work": ("VARCHAR", "Identity of what a question runs through: trials that share it take the same time but for chance."),
            "code_version": ("VARCHAR", "Identity of the code that it depends on."),
            "device": ("VARCHAR", "Where the models ran."),
            "threads": ("INTEGER", "Threads they used."),
            "scored": ("BOOLEAN", "Whether its scores could be derived."),
            "measured": ("INTEGER", "Questions that have a score; 0: it has no result."),
            "config": ("JSON", "The whole recipe; config->>'$.fusion.weight' reads one setting."),
            "fingerprints": ("JSON", "Identity of what each stage made."),
            "packages": ("JSON", "Versions of the packages used."),
            "costs": ("JSON", "Median latency of a question (ms), chunks, tokens indexed, tokens of the context."),
        },
    ),
    "trial_notes": (
        "One row a time that a trial was named, described or tagged; the last one of a trial stands in `trials`.",
        {
            **RECORDED,
            "trial_id": ("VARCHAR", "The trial."),
            "name": ("VARCHAR", "Its name."),
            "note": ("VARCHAR", "The note."),
            "tags": ("VARCHAR[]", "All its tags."),
        },
    ),
    "trial_costs": (
        "One row a trial and cost, with its spread. Derived from raw timings and rankings.",
        {
            "trial_id": ("VARCHAR", "The trial."),
            "cost": ("VARCHAR", "latency_ms (median), context_at_k (mean tokens of the first k chunks), chunks, tokens_indexed, "
                                "context_tokens (of the passages of a prompt), answer_s (median) or answer_tokens (mean)."),
            "value": ("DOUBLE", "The cost."),
            "low": ("DOUBLE", "Of a time the lower quartile of the questions, of tokens the interval's lower end (95%)."),
            "high": ("DOUBLE", "The upper quartile or end; NULL where a cost has no spread."),
            "n": ("INTEGER", "Questions behind it; NULL where it is of the whole index."),
        },
    ),
    "trial_metrics": (
        "One row a trial and metric: the mean of its scores and how many there are.",
        {
            "trial_id": ("VARCHAR", "The trial."),
            "metric": ("VARCHAR", "Metric with its depth."),
            "mean": ("DOUBLE", "Mean of the measured questions; NULL where none is."),
            "deviation": ("DOUBLE", "Their sample standard deviation; NULL below two."),
            "n": ("INTEGER", "Questions measured."),
            "total": ("INTEGER", "Questions asked."),
        },
    ),
    "settings": (
        "One row a setting of a trial's recipe, to group and filter by.",
        {
            "trial_id": ("VARCHAR", "The trial."),
            "setting": ("VARCHAR", "stage.name, as the command line takes it."),
            "value": ("VARCHAR", "Its value; try_cast(value AS DOUBLE) for numbers."),
        },
    ),
    "stages": (
        "One row a stage of a trial that was timed.",
        {
            "trial_id": ("VARCHAR", "The trial."),
            "stage": ("VARCHAR", "The stage."),
            "ms": ("DOUBLE", "How long it took, in milliseconds."),
            "cached": ("BOOLEAN", "Whether its result came from the cache."),
        },
    ),
    "scores": (
        "One row a trial, question and metric. Derived from the rankings, never stored apart from them.",
        {
            "trial_id": ("VARCHAR", "The trial."),
            "query_id": ("VARCHAR", "The question."),
            "metric": ("VARCHAR", "Metric with its depth."),
            "value": ("DOUBLE", "NULL: unmeasured, such as a question without gold evidence. avg() leaves it out."),
        },
    ),
    "rankings": (
        "One row a trial and question: the final ranking as parallel lists, best first. `hits` is the same, unnested.",
        {
            "trial_id": ("VARCHAR", "The trial."),
            "query_id": ("VARCHAR", "The question."),
            "documents": ("VARCHAR[]", "Document of each chunk."),
            "starts": ("INTEGER[]", "First character of each chunk in its document."),
            "ends": ("INTEGER[]", "Character after the last of each chunk."),
            "scores": ("DOUBLE[]", "Fused score of each chunk, higher is better."),
        },
    ),
    "questions": (
        "One row a question of a set.",
        {
            "fingerprint": ("VARCHAR", "The set."),
            "query_id": ("VARCHAR", "The question."),
            "position": ("INTEGER", "Its place in the set, from 0."),
            "text": ("VARCHAR", "The question in words."),
            "answerable": ("BOOLEAN", "Whether the corpus holds the answer."),
            "query_group": ("VARCHAR", "Type, difficulty or domain."),
            "answers": ("VARCHAR[]", "Accepted answers."),
        },
    ),
    "gold": (
        "One row a piece of gold evidence: characters [start_char, end_char) of a document.",
        {
            "fingerprint": ("VARCHAR", "The set."),
            "query_id": ("VARCHAR", "The question."),
            "document_id": ("VARCHAR", "The document."),
            "start_char": ("INTEGER", "First character."),
            "end_char": ("INTEGER", "Character after the last."),
            "grade": ("INTEGER", "Relevance grade, 0 = judged not relevant."),
            "unit": ("INTEGER", "Spans of one unit are alternatives of each other."),
        },
    ),
    "question_sets": (
        "One row a set of questions.",
        {
            "fingerprint": ("VARCHAR", "Identity of the set."),
            "dataset": ("VARCHAR", "Where it comes from."),
            "documents": ("INTEGER", "Documents of the corpus."),
            "queries": ("INTEGER", "Questions in the set."),
        },
    ),
    "answers": (
        "One row a question put to a model: its answer, or why there is none.",
        {
            **RECORDED,
            "dataset": ("VARCHAR", "Corpus it was asked of."),
            "question": ("VARCHAR", "The question in words."),
            "text": ("VARCHAR", "The answer; NULL where it failed."),
            "finish_reason": ("VARCHAR", "stop, length, deadline, abstained or failed: why."),
            "cited": ("INTEGER[]", "Numbers of the passages it cites, from 1."),
            "engine": ("VARCHAR", "The engine, as generation.part names it; NULL where no model ran."),
            "answering": ("VARCHAR", "How it was written, as answering.part names it; NULL where no model ran, and of old ones."),
            "model": ("VARCHAR", "The model that wrote it."),
            "model_sha256": ("VARCHAR", "Hash of the model's file; NULL where it is not known, as of a remote one."),
            "seed": ("BIGINT", "Seed of the sampling."),
            "prompt": ("VARCHAR", "All that the model was given."),
            "prompt_tokens": ("INTEGER", "Length of the prompt; NULL where the endpoint does not count."),
            "reused_tokens": ("INTEGER", "Of the prompt, those still in a cache from the call before."),
            "answer_tokens": ("INTEGER", "Length of the answer; NULL where the endpoint does not count."),
            "cost_usd": ("DOUBLE", "Cost by the price table, in USD; NULL where there is no price, as of a local model."),
            "retries": ("INTEGER", "Further tries until the endpoint answered."),
            "retrieval_ms": ("DOUBLE", "Time of retrieval, in milliseconds."),
            "first_token_ms": ("DOUBLE", "Time to the first token, in milliseconds."),
            "generation_ms": ("DOUBLE", "Time of generation, in milliseconds."),
            "hits": ("JSON", "The passages with their scores."),
            "tokens": ("JSON", "Its tokens with log-probabilities and likeliest others, where they were asked for."),
            "detail": ("JSON", "What its way of answering tells besides: places of quotes, weights of passages, rounds."),
            "receipt": ("JSON", "What it was made by: engine build, threads, batch, settings, hashes of prompt and text."),
            "provenance": ("JSON", "Its chunks with rank and score in each stage, and its time by step; NULL of older answers."),
            "config": ("JSON", "The whole recipe."),
        },
    ),
    **BATCH_TABLES,
    "samples": (
        "One row an answer sampled for a study: n answers a question and sampling chain.",
        {
            **RECORDED | {"id": ("VARCHAR", "Time-ordered id of the record, one a question and chain.")},
            "ground": ("VARCHAR", "Identity of model, passages and questions: chains that share it can be compared."),
            "dataset": ("VARCHAR", "Corpus it was asked of."),
            "query_id": ("VARCHAR", "The question."),
            "question": ("VARCHAR", "The question in words."),
            "answers": ("VARCHAR[]", "Accepted answers."),
            "chain": ("VARCHAR", "The sampling steps in order, as `sampling experiment` takes them."),
            "number": ("INTEGER", "Which of the samples, from 0."),
            "seed": ("BIGINT", "Its seed; the same number has the same seed under every chain."),
            "text": ("VARCHAR", "The answer; empty where the model wrote none."),
            "finish_reason": ("VARCHAR", "stop, length or failed: why."),
            "answer_tokens": ("INTEGER", "Length of the answer."),
            "logprob": ("DOUBLE", "Sum of its tokens' natural log-probabilities under the model itself."),
            "generation_ms": ("DOUBLE", "Time of writing it, in milliseconds."),
            "model_runs": ("INTEGER", "Tokens for which the model ran; the others' probabilities were at hand."),
            "config": ("JSON", "The whole recipe."),
        },
    ),
    "index_points": (
        "One row a query setting of an index, measured once on one machine. Derived from the raw latencies and results.",
        {
            **RECORDED,
            "dataset": ("VARCHAR", "Corpus that the vectors are of."),
            "vectors": ("VARCHAR", "Identity of the vectors: points that share it and queries can be compared."),
            "queries": ("VARCHAR", "Identity of the questions' vectors."),
            "part": ("VARCHAR", "Name of the index."),
            "metric": ("VARCHAR", "Similarity of question and chunk."),
            "build": ("JSON", "Build settings; build->>'m' reads one."),
            "query": ("JSON", "Query settings: one build serves all of them."),
            "k": ("INTEGER", "Neighbours asked for."),
            "n": ("INTEGER", "Vectors in the index."),
            "dim": ("INTEGER", "Numbers in a vector."),
            "num_queries": ("INTEGER", "Questions asked."),
            "status": ("VARCHAR", "ok or failed."),
            "reason": ("VARCHAR", "Why it is not ok."),
            "recall": ("DOUBLE", "Mean share of the k nearest of exact search that were found, equals counted as found."),
            "single_qps": ("DOUBLE", "Questions a second, one at a time on one thread; of the median block of 50."),
            "batch_qps": ("DOUBLE", "Questions a second, all at once on all threads; median of the batches."),
            "p50_us": ("DOUBLE", "Median latency of a single question, in microseconds."),
            "p95_us": ("DOUBLE", "95th percentile of it; NULL below 20 questions."),
            "p99_us": ("DOUBLE", "99th percentile of it; NULL below 100 questions."),
            "build_s": ("DOUBLE", "Time to build the index, in seconds; NULL where it was not built on this machine."),
            "memory_bytes": ("BIGINT", "Memory of the index."),
            "disk_bytes": ("BIGINT", "Size of its files."),
            "code_version": ("VARCHAR", "Identity of the code of the index and of its engine."),
            "machine": ("VARCHAR", "Processor, its number and system."),
            "threads": ("INTEGER", "Threads that a batch may use."),
            "config": ("JSON", "The whole recipe."),
        },
    ),
    "experiment_versions": (
        "One row a version of an experiment: a question, a recipe and what is varied. Its trials have its name as their sweep.",
        {
            **VERSION,
            "experiment": ("VARCHAR", "Name of the experiment."),
            "title": ("VARCHAR", "What people call it."),
            "question": ("VARCHAR", "What it is to find out."),
            "note": ("VARCHAR", "What people wrote about it."),
            "tags": ("VARCHAR[]", "Its tags."),
            "archived": ("BOOLEAN", "Whether it is out of the lists."),
            "baseline": ("VARCHAR", "Trial that others are compared with; empty: the one of the base recipe."),
            "num_factors": ("INTEGER", "Settings that are varied."),
            "document": ("JSON", "All of it; document->>'$.design.kind' reads one field."),
        },
    ),
    "decisions": (
        "One row a decision of the editor's gate on an answer, by the ratings of one judge or several.",
        {
            "id": ("VARCHAR", "Time-ordered id."),
            "created": ("TIMESTAMP", "When it was decided (UTC)."),
            "question": ("VARCHAR", "The question in words."),
            "answer": ("VARCHAR", "The answer."),
            "passages": ("VARCHAR", "Checksum of the passages that it was judged beside; NULL of old decisions."),
            "verdict": ("VARCHAR", "accept, revise, reject, or undecided where a rating is unmeasured."),
            "reasons": ("VARCHAR[]", "What keeps it from being accepted."),
            "technical_accuracy": ("DOUBLE", "1 to 5, mean of judges and runs; NULL: unmeasured."),
            "calibration": ("DOUBLE", "The same."),
            "completeness": ("DOUBLE", "The same."),
            "clarity": ("DOUBLE", "The same."),
            "confident_hallucination": ("BOOLEAN", "Whether half of the judges or more say that it states as certain what no passage has."),
            "revisions": ("INTEGER", "Earlier answers to the question that were to be revised."),
            "judges": ("VARCHAR[]", "Engine and model of each."),
            "ratings": ("JSON", "What each judge gave in each run, with its words."),
            "source": ("VARCHAR", "File and line that the answer came from."),
        },
    ),
    "studies": (
        "One row a version of a study in which people label answers. The latest of a study is the one in use; rows of round "
        "plan are changes not in use yet.",
        {
            **VERSION,
            "study": ("VARCHAR", "Name of the study."),
            "version": ("INTEGER", "From 1."),
            "round": ("VARCHAR", "draft, pilot, main, adjudication or plan."),
            "hash": ("VARCHAR", "SHA-256 over all of it, as frozen; empty for a draft."),
            "kind": ("VARCHAR", "rating, or pairs for A/B."),
            "num_items": ("INTEGER", "Items in it."),
            "design": ("JSON", "The whole design with its items."),
        },
    ),
    "study_items": (
        "One row an item of a version of a study and answer in it: what annotators do not see.",
        {
            "study_id": ("VARCHAR", "The version, studies.id."),
            "study": ("VARCHAR", "Name of the study."),
            "item": ("VARCHAR", "The item."),
            "response": ("INTEGER", "Which answer of the item, from 0; A/B items have two."),
            "source": ("VARCHAR", "Record that the answer was drawn from."),
            "system": ("VARCHAR", "What wrote the answer."),
            "question": ("VARCHAR", "The question in words."),
            "answer": ("VARCHAR", "The answer."),
            "round": ("VARCHAR", "pilot or main; empty: both."),
            "duplicate_of": ("VARCHAR", "Item that it repeats, to measure self-agreement; or empty."),
            "attention": ("BOOLEAN", "Whether its labels are known, to see who reads."),
        },
    ),
    "labels": (
        "One row a state of an annotator's judgement of an item, as it was saved. `current_labels` has the latest ones.",
        {
            "id": ("VARCHAR", "Time-ordered id."),
            "created": ("TIMESTAMP", "When it was saved (UTC)."),
            "study": ("VARCHAR", "Name of the study."),
            "hash": ("VARCHAR", "The frozen study it was given under."),
            "round": ("VARCHAR", "pilot, main or adjudication."),
            "item": ("VARCHAR", "The item."),
            "annotator": ("VARCHAR", "Who judged."),
            "complete": ("BOOLEAN", "Whether all is answered that the study asks."),
            "withdrawn": ("BOOLEAN", "Whether it takes a label back and puts none in its place."),
            "sentences": ("JSON", "A list for each answer: the label of each sentence, null where there is none yet."),
            "spans": ("JSON", "Errors: answer, first word and the word after the last, from 0."),
            "helpful": ("INTEGER[]", "1 to 5 for each answer."),
            "preference": ("VARCHAR", "a, b or tie: a is the item's answer 0, wherever it stood on the screen."),
            "bulk": ("JSON", "Sentences labelled together with that of another screen: answer and sentence, from 0."),
            "cannot_judge": ("BOOLEAN", "Whether the annotator could not judge the item."),
            "comment": ("VARCHAR", "In the annotator's words."),
            "seconds": ("DOUBLE", "Time on the item, in seconds."),
            "rubric": ("INTEGER", "Version of the rubric."),
            "shown": ("VARCHAR", "Hash of what stood on the screen."),
            "answer_order": ("INTEGER[]", "Which answer stood at each place of the screen."),
            "replaces": ("VARCHAR", "Label that it takes the place of, or empty."),
            "restores": ("VARCHAR", "Label whose state an undo brought back, or empty."),
            "origin": ("VARCHAR", "File or server it was imported from, or empty."),
        },
    ),
    "segments": (
        "One row a file of labels that is in this database.",
        {"name": ("VARCHAR", "The file."), "bytes": ("BIGINT", "How much of it was read.")},
    ),
    "folded": (
        "One row a record of the journal that is in this database.",
        {"id": ("VARCHAR", "The record's id."), "kind": ("VARCHAR", "trial, trial_note, questions, answer, set_answers, index, study …")},
    ),
    "meta": ("How this database was made.", {"key": ("VARCHAR", "What."), "value": ("VARCHAR", "Its value.")}),
}  # fmt: skip

VIEWS: dict[str, tuple[str, dict[str, tuple[str, str]], str]] = {
    "hits": (
        "The rankings, one row a retrieved chunk.",
        {
            "trial_id": ("VARCHAR", "The trial."),
            "query_id": ("VARCHAR", "The question."),
            "rank": ("BIGINT", "Its place, from 1."),
            "document_id": ("VARCHAR", "Its document."),
            "start_char": ("INTEGER", "First character."),
            "end_char": ("INTEGER", "Character after the last."),
            "score": ("DOUBLE", "Fused score."),
        },
        "SELECT trial_id, query_id, unnest(range(1, len(documents) + 1)) AS rank, unnest(documents) AS document_id, "
        "unnest(starts) AS start_char, unnest(ends) AS end_char, unnest(scores) AS score FROM rankings",
    ),
    "experiments": (
        "The experiments as they stand: the latest version of each.",
        {**TABLES["experiment_versions"][1], "version": ("BIGINT", "Which version it is, from 1: how many there are.")},
        "SELECT *, count(*) OVER (PARTITION BY experiment) AS version FROM experiment_versions QUALIFY row_number() OVER "
        "(PARTITION BY experiment ORDER BY id DESC) = 1",
    ),
    "current_labels": (
        "The labels as they stand: the latest of each study, round, item and annotator, unless withdrawn.",
        TABLES["labels"][1],
        "SELECT * FROM (SELECT * FROM labels QUALIFY row_number() OVER "
        "(PARTITION BY study, round, item, annotator ORDER BY id DESC) = 1) WHERE NOT withdrawn",
    ),
    "sentence_labels": (
        "The current labels, one row a sentence.",
        {
            "label_id": ("VARCHAR", "The label."),
            **{name: TABLES["labels"][1][name] for name in ("study", "round", "item", "annotator")},
            "response": ("BIGINT", "Which answer of the item, from 0."),
            "sentence": ("BIGINT", "Which sentence of the answer, from 0."),
            "label": ("VARCHAR", "The label; NULL: not judged."),
        },
        "SELECT label_id, study, round, item, annotator, response, unnest(range(0, len(given))) AS sentence, "
        "unnest(given) AS label FROM (SELECT id AS label_id, study, round, item, annotator, "
        "unnest(range(0, len(lists))) AS response, unnest(lists) AS given FROM "
        "(SELECT *, from_json(sentences, '[[\"VARCHAR\"]]') AS lists FROM current_labels))",
    ),
}  # fmt: skip

# identity of tables, columns and views: a database of another one was made before a kind of record, or a stage, was there
SHAPE = digest(
    [
        [(name, [(key, about[0]) for key, about in columns.items()]) for name, (_, columns) in TABLES.items()],
        [(name, select) for name, (_, _, select) in VIEWS.items()],
    ]
)

EXAMPLES: tuple[tuple[str, str], ...] = (
    ("The best trial on each corpus",
     "SELECT DISTINCT ON (dataset) dataset AS corpus, coalesce(t.name, made_name) AS name,\n"
     "  mean AS \"nDCG@10\", n AS measured, total AS questions, id AS trial\n"
     "FROM trials t JOIN trial_metrics ON trial_id = id\n"
     "WHERE metric = 'ndcg_linear@10' AND status = 'ok'\n"
     "ORDER BY dataset, total DESC, round(mean, 6) DESC, t.name IS NULL, id DESC"),
    ("The latest trials",
     "SELECT id, created, coalesce(name, made_name) AS name, dataset, status, num_queries, round(total_ms) AS total_ms\n"
     "FROM trials ORDER BY id DESC LIMIT 20"),
    ("Trials that people named or tagged",
     "SELECT created, name, tags, note, dataset, made_name AS recipe, id FROM trials WHERE name IS NOT NULL ORDER BY id DESC"),
    ("Mean of every metric, with its coverage",
     "SELECT trial_id, metric, avg(value) AS mean, count(value) AS measured, count(*) AS questions\n"
     "FROM scores GROUP BY ALL ORDER BY metric, mean DESC"),
    ("A metric against one setting",
     "SELECT dataset, metric, value, avg(mean) AS mean, count(*) AS trials\n"
     "FROM (SELECT trial_id, metric, avg(value) AS mean FROM scores GROUP BY ALL)\n"
     "JOIN settings USING (trial_id) JOIN trials ON trials.id = trial_id\n"
     "WHERE setting = 'fusion.part' GROUP BY ALL ORDER BY metric, mean DESC"),
    ("The questions that are hardest for all trials",
     "SELECT q.text, s.metric, avg(s.value) AS mean, count(*) AS trials\n"
     "FROM scores s JOIN trials t ON t.id = s.trial_id\n"
     "JOIN questions q ON q.fingerprint = t.questions_fingerprint AND q.query_id = s.query_id\n"
     "GROUP BY ALL HAVING mean IS NOT NULL ORDER BY mean LIMIT 20"),
    ("The best chunks of one trial",
     "SELECT q.text, h.rank, h.document_id, h.start_char, h.end_char, h.score\n"
     "FROM hits h JOIN trials t ON t.id = h.trial_id\n"
     "JOIN questions q ON q.fingerprint = t.questions_fingerprint AND q.query_id = h.query_id\n"
     "WHERE h.trial_id = (SELECT max(id) FROM trials WHERE status = 'ok') AND h.rank <= 3\n"
     "ORDER BY q.position, h.rank"),
    ("Where the time goes",
     "SELECT stage, cached, count(*) AS trials, median(ms) AS median_ms, max(ms) AS max_ms\n"
     "FROM stages GROUP BY ALL ORDER BY median_ms DESC"),
    ("Questions by group",
     "SELECT dataset, query_group, count(*) AS questions, count_if(NOT answerable) AS unanswerable\n"
     "FROM questions JOIN question_sets USING (fingerprint) GROUP BY ALL ORDER BY ALL"),
    ("Answers that hit a limit or failed",
     "SELECT created, question, finish_reason, answer_tokens, model FROM answers\n"
     "WHERE finish_reason <> 'stop' ORDER BY id DESC"),
    ("What the answers of each engine took",
     "SELECT engine, model, count(*) AS answers, median(first_token_ms) AS first_token_ms, sum(prompt_tokens) AS prompt_tokens,\n"
     "sum(answer_tokens) AS answer_tokens, CASE WHEN count(cost_usd) = count(*) THEN sum(cost_usd) END AS cost_usd\n"
     "FROM answers GROUP BY ALL ORDER BY answers DESC"),
    ("Labels of people by study, system and label",
     "SELECT l.study, i.system, l.label, count(*) AS sentences FROM sentence_labels l\n"
     "JOIN (SELECT DISTINCT ON (study, item, response) * FROM study_items ORDER BY study_id DESC) i\n"
     "USING (study, item, response) WHERE l.round = 'main' GROUP BY ALL ORDER BY ALL"),
    ("The fastest index settings by what they find",
     "SELECT DISTINCT ON (dataset, n, recall_percent) dataset, n, floor(recall * 100) AS recall_percent, part, build, query,\n"
     "single_qps FROM index_points WHERE status = 'ok' ORDER BY dataset, n, recall_percent, single_qps DESC"),
)  # fmt: skip

# tables that hold each set of questions once, though several records may bring it
ONCE = ("questions", "gold", "question_sets")
UNLESS = "WHERE fingerprint NOT IN (SELECT fingerprint FROM question_sets)"
# the last note of each of these trials, whichever of the two came first
NAMED = """UPDATE trials SET name = last.name, note = last.note, tags = last.tags FROM (
  SELECT * FROM trial_notes WHERE trial_id IN (SELECT unnest(?::VARCHAR[]))
  QUALIFY row_number() OVER (PARTITION BY trial_id ORDER BY id DESC) = 1) last WHERE trials.id = last.trial_id"""


class StoredTable(NamedTuple):
    name: str
    comment: str
    columns: tuple[tuple[str, str, str], ...]  # name, type, meaning


def describe() -> list[StoredTable]:
    """What can be queried, in words."""
    both = [*((name, *about) for name, about in TABLES.items()), *((name, *about[:2]) for name, about in VIEWS.items())]
    return [StoredTable(name, text, tuple((key, *about) for key, about in columns.items())) for name, text, columns in both]


def creation(meta: dict[str, str], comments: bool = True) -> str:
    """The statements that make an empty database, in one transaction: half the time of hundreds. Comments take nine tenths of it."""
    statements = ["BEGIN"]
    for name, (text, columns) in TABLES.items():
        listed = ", ".join(f'"{key}" {about[0]}' for key, about in columns.items())
        statements.append(f"CREATE TABLE {name} ({listed})")
        statements.append(f"COMMENT ON TABLE {name} IS {_quoted(text)}")
        statements += [f'COMMENT ON COLUMN {name}."{key}" IS {_quoted(about[1])}' for key, about in columns.items()]
    for name, (text, _, select) in VIEWS.items():
        statements += [f"CREATE VIEW {name} AS {select}", f"COMMENT ON VIEW {name} IS {_quoted(text)}"]
    statements += [f"INSERT INTO meta VALUES ({_quoted(key)}, {_quoted(value)})" for key, value in meta.items()]
    statements = [each for each in statements if comments or not each.startswith("COMMENT")]
    return ";\n".join([*statements, "COMMIT"])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
