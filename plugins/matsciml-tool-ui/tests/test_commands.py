"""``matsciml ui``, from the command line."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from matsciml_tool_ui.server import HOST, listen

PROBE = """
import json, sys
import matsciml_tool_ui.plugin, matsciml_tool_ui.commands
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize(
    ("make", "problem"),
    [(None, "does not exist; name a folder that holds runs."), ("file", "is a file; name a")],
)
def test_what_is_no_folder_is_one_sentence(cli, registry, tmp_path, make, problem):
    path = tmp_path / "rums"
    if make:
        path.write_text("")
    done = cli("ui", str(path))
    assert done.code == 2
    assert problem in done.error


def test_a_port_in_use_is_one_sentence(cli, registry, root):
    with listen(0) as listener:
        done = cli("ui", str(root), "--port", str(listener.getsockname()[1]))
    assert done.code == 2
    assert "is in use; name another with --port" in done.error


@pytest.fixture(params=[signal.default_int_handler, signal.SIG_IGN], ids=["terminal", "background"])
def ctrl_c(request):
    """What Ctrl-C did before the command, which is nothing in what a script starts with ``&``."""
    previous = signal.signal(signal.SIGINT, request.param)
    yield
    signal.signal(signal.SIGINT, previous)


@pytest.mark.usefixtures("ctrl_c")
def test_it_serves_until_ctrl_c(cli, registry, root, monkeypatch):
    with listen(0) as listener:
        port = listener.getsockname()[1]
    opened, answers = [], []
    monkeypatch.setattr("webbrowser.open", opened.append)

    def visit():
        """Wait until the server answers, follow what the browser was given, and press Ctrl-C."""
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            try:
                connection = http.client.HTTPConnection(HOST, port, timeout=5)
                connection.request("GET", opened[0].removeprefix(f"http://{HOST}:{port}"))
                answers.append(connection.getresponse().status)
                connection.close()
                break
            except (OSError, IndexError):
                time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    visitor = threading.Thread(target=visit)
    visitor.start()
    done = cli("ui", str(root), "--port", str(port), "--browser")
    visitor.join()
    assert answers == [303]
    assert done.code == 130
    assert done.error == "Stopped. The same command shows the folder again."
    first, second = done.out.splitlines()
    printed = f"Pages of '{root}': http://{HOST}:{port}/?token="
    assert first.startswith(printed)
    assert len(first) == len(printed) + 43
    assert second == "Only this machine can reach 127.0.0.1. Ctrl-C ends it."
    # Other users see what a browser is started with.
    assert opened[0].partition("token=")[2] != first.partition("token=")[2]


def test_the_help_needs_no_server():
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, check=True)
    heavy = {"starlette", "uvicorn", "anyio", "jinja2", "matplotlib", "numpy", "torch"}
    assert not heavy & set(json.loads(done.stdout))
