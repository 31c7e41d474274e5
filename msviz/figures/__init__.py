"""Findings become pictures here: one file per picture, one theme for all."""
