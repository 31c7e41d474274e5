"""Which past clicks a model looks at, and whose it uses where."""
