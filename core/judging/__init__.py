"""What scores an answer: measures, and what they share."""
