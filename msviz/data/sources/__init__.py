"""One file per kind of log, whose stem is the kind on the command line."""
