"""How a log is brought in: read in chunks, checked, learned, encoded, split and written."""
