"""Which impressions a model sees alike, and how far apart it keeps scenarios or experts."""
