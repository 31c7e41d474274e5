"""The questions: one file each, whose stem is the question's name everywhere."""
