"""The statistics that every room asks for: one interval, one test, one correction each; torch-free."""
