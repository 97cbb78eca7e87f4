"""Why questions fail: the rungs that each climbs, and the one loss that its failure is given to."""
