"""Training: the loop, the optimisers, the metrics, and how a run is written and read back."""
