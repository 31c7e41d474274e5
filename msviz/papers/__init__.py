"""The papers, in published/: which question, runs and choices draw each of their figures live."""
