"""`python -m tieout` is the `tieout` program."""

from tieout.cli import main

main()
