"""The networks: one file per model, whose stem is the model's name everywhere."""
