"""`python -m codemods` is the `codemod` command."""

from codemods.cli.main import main

main()
