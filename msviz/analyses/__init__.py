"""Questions to a trained model or a log, in questions/; beside them how one is answered and kept."""
