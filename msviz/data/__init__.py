"""Logs become encoded datasets here: kinds of log in sources/, the way in in importing/."""
