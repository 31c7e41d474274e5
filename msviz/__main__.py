"""`python -m msviz` is the command `msviz`."""

from msviz.cli import main

main()
