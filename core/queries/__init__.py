"""What is asked in a question's place, and how the retrievers are asked it."""

KINDS = {"query": "Query transforms ask the retrievers something else than the question as it stands."}

RECORDS = {  # kinds of records that hold many values by key -> what a row of their table is, and its columns
    "model_texts": (
        "One row a text that a model wrote to a prompt: for an answer, a query transform, a reranker, a judge or a training.",
        {
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
}  # fmt: skip
