"""The records that hold many values by key, see `batches.py`: a kind a table, whose columns are what a batch shares and what a value has.

A new kind is an entry here.
"""

# kind -> (what a row is, {column: (type, meaning)})
BATCH_TABLES: dict[str, tuple[str, dict[str, tuple[str, str]]]] = {
    "set_answers": (
        "One row an answer that a job wrote to a question of a set. What several records hold under one key was written side by side: "
        "the one with the smallest id holds.",
        {
            "id": ("VARCHAR", "Time-ordered id of the record, one a batch."),
            "created": ("TIMESTAMP", "When it was recorded (UTC)."),
            "key": ("VARCHAR", "Identity of what decides it: question, passages, prompt, model, sampling, seed and code."),
            "dataset": ("VARCHAR", "Corpus it was asked of; NULL of old ones, as question, engine, model, identity, seed and config."),
            "question": ("VARCHAR", "The question in words."),
            "text": ("VARCHAR", "The answer; empty where it failed."),
            "finish_reason": ("VARCHAR", "stop, length, deadline, abstained or failed: why."),
            "shown": ("JSON", "Of each passage of the prompt the spans that were read: document, first character, the one after the last."),
            "prompt_tokens": ("INTEGER", "Length of the prompt; NULL where the endpoint does not count."),
            "answer_tokens": ("INTEGER", "Length of the answer; NULL where the endpoint does not count."),
            "seconds": ("DOUBLE", "Its share of the time of those that were written with it."),
            "cost_usd": ("DOUBLE", "Cost by the price table, in USD; NULL where there is no price."),
            "tokens": ("JSON", "Its tokens with log-probabilities, where they were asked for."),
            "engine": ("VARCHAR", "The engine, as generation.part names it."),
            "model": ("VARCHAR", "The model that wrote it."),
            "identity": ("VARCHAR", "Identity of the model's files and of the engine."),
            "seed": ("BIGINT", "Seed of the sampling."),
            "config": ("JSON", "The whole recipe that asked first."),
        },
    ),
    "answer_scores": (
        "One row an answer and measure: what the measure says of it, kept by the content of both.",
        {
            "id": ("VARCHAR", "Time-ordered id of the record, one a batch."),
            "created": ("TIMESTAMP", "When it was recorded (UTC)."),
            "key": ("VARCHAR", "Identity of what decides it: measure with its settings and code, question, answer, passages, references."),
            "measure": ("VARCHAR", "The measure, as `list measure` names it."),
            "question": ("VARCHAR", "The question in words; NULL of old ones."),
            "answer": ("VARCHAR", "The answer; NULL of old ones."),
            "value": ("DOUBLE", "The score; NULL: unmeasured. avg() leaves it out."),
            "reason": ("VARCHAR", "Why it is unmeasured."),
            "claims": ("JSON", "Each claim of the answer: its characters, score, verdict and evidence."),
            "words": ("JSON", "Characters that the measure takes for wrong, with how sure it is."),
            "detail": ("JSON", "What the measure tells besides."),
            "judge": ("VARCHAR", "Engine and model that judged; NULL where none is asked."),
            "settings": ("JSON", "The measure's settings."),
        },
    ),
    "model_texts": (
        "One row a text that a model wrote to a prompt: for an answer, a query transform, a reranker, a judge or a training.",
        {
            "id": ("VARCHAR", "Time-ordered id of the record, one a batch."),
            "created": ("TIMESTAMP", "When it was recorded (UTC)."),
            "key": ("VARCHAR", "Identity of what decides it: prompt, model, sampling and seed."),
            "text": ("VARCHAR", "The text."),
            "finish_reason": ("VARCHAR", "stop, length or failed: why."),
            "prompt_tokens": ("INTEGER", "Length of the prompt; NULL where the endpoint does not count."),
            "tokens": ("INTEGER", "Length of the text; NULL where the endpoint does not count."),
            "seconds": ("DOUBLE", "Its share of the time of those that were written with it."),
            "cost_usd": ("DOUBLE", "Cost by the price table, in USD; NULL where there is no price."),
            "logprobs": ("JSON", "Its tokens with log-probabilities, where they were asked for."),
            "engine": ("VARCHAR", "The engine, as generation.part names it; NULL of old ones."),
            "model": ("VARCHAR", "The model that wrote it; NULL of old ones."),
            "identity": ("VARCHAR", "Identity of the model's files and of the engine; NULL of old ones."),
        },
    ),
    "likelihoods": (
        "One row a text that a model did not write, and how likely it finds it: an answer over a passage, a document.",
        {
            "id": ("VARCHAR", "Time-ordered id of the record, one a batch."),
            "created": ("TIMESTAMP", "When it was recorded (UTC)."),
            "key": ("VARCHAR", "Identity of what decides it: text, prompt, model and code."),
            "logprob": ("DOUBLE", "Sum of its tokens' natural log-probabilities."),
            "tokens": ("INTEGER", "Tokens of it that were read."),
            "identity": ("VARCHAR", "Identity of the model's files and of the engine; NULL of old ones."),
        },
    ),
    "lab_results": (
        "One row a result that a job measured for a page, as it was.",
        {
            "id": ("VARCHAR", "Time-ordered id of the record."),
            "created": ("TIMESTAMP", "When it was recorded (UTC)."),
            "key": ("VARCHAR", "Identity of what decides it."),
            "lab": ("VARCHAR", "What measured it: chains_of_thought, question_likelihoods or rag_latency."),
            "result": ("JSON", "The result."),
        },
    ),
}  # fmt: skip
