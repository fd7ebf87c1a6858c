"""`python -m realmaster` is `realmaster`."""

from realmaster.cli import main

main()
