"""What was done with one document and why, gathered from the datasets of a run."""
