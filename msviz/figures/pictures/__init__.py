"""One file per picture, called like the question that it answers."""
