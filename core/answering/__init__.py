"""Ways in which an answer is written from the passages: a file a part."""

KINDS = {  # of parts in this folder -> what they are
    "answering": "Ways of answering say how the answer is written from the passages."
}
