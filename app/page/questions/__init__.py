"""Questions that have no page of their own, a plugin's for example."""
