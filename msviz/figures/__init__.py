"""Findings become pictures, in pictures/; beside them what pictures share: one theme for all."""
