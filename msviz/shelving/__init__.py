"""The shelf as a place where people work: notes, names, a bin, and runs that come and go."""
