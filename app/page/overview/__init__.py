"""What is on the shelf, and what is in the data."""
