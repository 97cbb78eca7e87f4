"""Choosing the next token, written to be seen: nothing here runs a model, everything reads logits.

`filters` (the steps of a chain: temperature, penalties, top-k, top-p, min-p, typical, epsilon, eta, Mirostat v2, greedy),
`trace` (a chain applied with everything a page draws of it; picking with a seed; an answer's probabilities, entropies and
ranks; sampling on and forcing another token), `search` (beam search and contrastive search). numpy alone.
"""
