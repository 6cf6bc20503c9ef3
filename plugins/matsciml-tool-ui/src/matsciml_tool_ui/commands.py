"""``matsciml ui``: look at a folder of runs in a browser, while they train.

The modules that do the work are imported inside the function, so that ``--help`` stays fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from matsciml_cli.console import write_line
from matsciml_cli.failures import telling_on_stop
from matsciml_cli.state import registry_of

PORT = 8765


def ui(
    context: typer.Context,
    runs: Annotated[
        Path, typer.Argument(help="A folder that holds runs at any depth, or a run folder.")
    ] = Path("runs"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0: any that is free.")
    ] = PORT,
    browser: Annotated[
        bool,
        typer.Option("--browser/--no-browser", help="Open the address in the default browser."),
    ] = False,
) -> None:
    """Serve pages about a folder of runs to a browser on this machine, until Ctrl-C.

    Runs that are training are followed: epochs, losses and curves change on the page when they do
    in the folder. The comparison, the leaderboard, reports, sweeps and cross-validations are drawn
    anew from what the runs have written. Nothing is written, no network is used, and no other
    machine can connect; a token in the address keeps out other users of this one.
    """
    from matsciml_tool_ui.scan import require_folder

    folder = require_folder(runs)
    registry = registry_of(context)
    import webbrowser

    from matsciml_tool_ui.access import Access
    from matsciml_tool_ui.server import HOST, listen, make_app, serve
    from matsciml_tool_ui.site import Site

    with listen(port) as listener, telling_on_stop("The same command shows the folder again."):
        access = Access()
        address = f"http://{HOST}:{listener.getsockname()[1]}"
        write_line(f"Pages of '{runs}': {address}/?token={access.token}")
        write_line(f"Only this machine can reach {HOST}. Ctrl-C ends it.", flush=True)
        if browser:
            # What a browser is started with can be read by other users of this machine.
            webbrowser.open(f"{address}/?token={access.new_ticket()}")
        serve(make_app(Site(folder, registry), access), listener)
