"""Lets ``python -m matsciml_cli`` do what ``matsciml`` does."""

import os
import sys


def _drop_current_folder() -> None:
    """Search no plugin in the current folder, which may hold somebody's data.

    Python puts it before all others for ``-m``, and takes an empty entry of ``PYTHONPATH`` for it.
    Where it is named in full, or installed, it stays.
    """
    here, library = os.getcwd(), os.path.dirname(os.__file__)
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if here in named:
        return
    first = sys.path.index(library) if library in sys.path else 1
    sys.path[:first] = [entry for entry in sys.path[:first] if entry not in ("", here)]


if __name__ == "__main__":
    _drop_current_folder()
    from matsciml_cli.app import main

    main()
