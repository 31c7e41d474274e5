"""Two to six scenarios side by side in all that a model shows."""
