"""Single impressions: find them, open one, and place it in every scenario."""
