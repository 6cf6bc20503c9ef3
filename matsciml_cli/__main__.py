"""Lets ``python -m matsciml_cli`` do what ``matsciml`` does."""

from matsciml_cli.app import main

if __name__ == "__main__":
    main()
