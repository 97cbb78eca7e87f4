"""What a recipe's stages make, and in which order."""

RECORDS = {  # kinds of records that hold many values by key -> what a row of their table is, and its columns
    "set_answers": (
        "One row an answer that a job wrote to a question of a set. What several records hold under one key was written side by side: "
        "the one with the smallest id holds.",
        {
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
            "detail": ("JSON", "What its way of answering tells besides: an agent's steps; NULL where that is nothing."),
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
}  # fmt: skip
