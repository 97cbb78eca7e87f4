"""Studies over recipes: what is varied and why, run whole, watched, resumed, and what they say."""
