"""Documents with their questions: loaders, cards, downloads, and the user's own files."""

KINDS = {  # of parts in this folder -> what they are
    "loader": "Loaders read a corpus with its questions. A data set's card names its loader (`datasets/*/card.yaml`)."
}
