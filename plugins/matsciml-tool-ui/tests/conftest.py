"""A folder of runs, pages without the tools that offer them, and a server that shows both."""

from __future__ import annotations

import csv
import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from matsciml_cli.testing import cli
from matsciml_core import build_registry
from matsciml_core.registry.manager import Registry
from matsciml_core.testing.plugin_folder import PluginFolder
from matsciml_tool_ui.access import Access
from matsciml_tool_ui.server import HOST, listen, make_app, make_server
from matsciml_tool_ui.site import Site
from matsciml_util_pages.testing.example_runs import ExampleRun, example_history

__all__ = ["cli"]

UI = "from matsciml_tool_ui.plugin import matsciml_commands, matsciml_hookspecs\n"
PAGES = """
    from matsciml_core import hookimpl

    @hookimpl(optionalhook=True)
    def matsciml_folder_pages():
        from matsciml_util_pages.folder_pages import RUN_FILES, FolderPageSpec

        for name, files in (("report", RUN_FILES), ("all", ()), ("group", ("group.json",))):
            yield FolderPageSpec(
                name=name,
                title=name.title(),
                summary="A page.",
                class_path="{package}.pages:" + name,
                files=files,
            )
"""
FUNCTIONS = """
    from matsciml_util_pages.pages import Page, Section
    from matsciml_util_pages.views import Lead

    def page(subject, kind):
        names = [f"{one.name} at {subject.address(one)}" for one in subject.runs]
        text = (subject.folder / "notes.txt")
        words = text.read_text() if text.exists() else "no notes"
        views = [Lead(", ".join(names)), Lead(words)]
        return Page(eyebrow="Test", title=f"{kind} of {subject.folder.name}",
                    sections=[Section(anchor="one", title="One", views=views)])

    def report(subject):
        return page(subject, "report")

    def all(subject):
        return page(subject, "all")

    def group(subject):
        raise ZeroDivisionError("no <luck>")
"""


def write_run(folder: Path, *, epochs: int = 3, planned: int = 6, finished: bool = False) -> Path:
    """Write a run folder as it is after some epochs, or at its end."""
    run = ExampleRun(folder, epochs=epochs)
    run.write()
    config = (folder / "config.yaml").read_text()
    config = config.replace("training:", f"training:\n  epochs: {planned}", 1)
    (folder / "config.yaml").write_text(config)
    if not finished:
        for name in ("run.json", "predictions-test.csv"):
            (folder / name).unlink()
    return folder


def write_epochs(folder: Path, epochs: int) -> None:
    """Write the curves of a run anew, after so many epochs."""
    rows = example_history(epochs, {})
    part = folder / "metrics.csv.part"
    with part.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    part.rename(folder / "metrics.csv")


@pytest.fixture
def add_run() -> Callable[..., Path]:
    """Give the function that writes a run folder."""
    return write_run


@pytest.fixture
def add_epochs() -> Callable[[Path, int], None]:
    """Give the function that writes the curves of a run anew, after so many epochs."""
    return write_epochs


@pytest.fixture
def registry(plugin_folder: PluginFolder) -> Registry:
    """The command, and three pages of a plugin."""
    plugin_folder.add("matsciml-tool-ui", UI)
    plugin_folder.add("matsciml-tool-pages", PAGES, modules={"pages": FUNCTIONS})
    return build_registry(path=plugin_folder.search)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a finished run and one that is training."""
    folder = tmp_path / "runs"
    folder.mkdir()
    write_run(folder / "done", finished=True, epochs=6)
    write_run(folder / "live")
    (folder / "latest").symlink_to("live")
    return folder


@pytest.fixture
def make_site(root: Path, registry: Registry) -> Callable[..., Site]:
    """Give a function that returns the pages of the folder, looked at anew for each."""
    return lambda folder=root, **options: Site(folder.resolve(), registry, seconds=0.0, **options)


@dataclass
class Server:
    """A server under test."""

    port: int
    access: Access
    end: Callable[[], None]
    """Ends it, which the fixture does in any case."""

    def ask(self, path: str, *, method: str = "GET", cookie: bool = True, **headers: str):
        """Send a request as it is written here, and return the answer with its body."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=20)
        sent = {"Host": f"{HOST}:{self.port}", **headers}
        if cookie:
            sent["Cookie"] = f"matsciml-ui-{self.port}={self.access.token}"
        connection.putrequest(method, path, skip_host=True)
        for name, value in sent.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        answer.body = answer.read().decode()
        connection.close()
        return answer

    @property
    def address(self) -> str:
        """Where a browser begins."""
        return f"http://{HOST}:{self.port}/?token={self.access.token}"


@pytest.fixture
def serve() -> Iterator[Callable[[Site], Server]]:
    """Give a function that serves pages until the test ends."""
    ends = []

    def start(site: Site) -> Server:
        access, listener = Access(), listen(0)
        running = make_server(make_app(site, access))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()

        def end() -> None:
            running.should_exit = True
            thread.join(20)
            listener.close()
            assert not thread.is_alive()

        ends.append(end)
        return Server(listener.getsockname()[1], access, end)

    yield start
    for end in ends:
        end()


@pytest.fixture
def server(serve, make_site) -> Server:
    """The pages of the folder, served."""
    return serve(make_site())
