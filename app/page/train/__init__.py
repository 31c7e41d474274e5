"""Change a setting of a run and train it again, a new model, or a whole sweep; and watch it."""
