"""Training: from labels to an affinity model."""
