"""One file per paper: its figures and tables as tiles, its ablations as studies."""
