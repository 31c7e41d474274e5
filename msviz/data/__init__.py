"""Logs become encoded datasets here: one file per kind of log, one for the encoded form."""
