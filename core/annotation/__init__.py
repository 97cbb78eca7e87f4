"""People judge answers: studies, labels and the formats in which both travel."""
