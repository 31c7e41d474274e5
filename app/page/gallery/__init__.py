"""Every figure and table of the papers as a small live picture that opens its view."""
