"""The papers' figures drawn from a shelf: which runs fit, what is missing, tables of studies."""
