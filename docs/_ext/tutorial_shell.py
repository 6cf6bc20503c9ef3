"""What tutorials need while the documentation is built: a ``!command`` that cannot fail silently.

IPython shows the output of a failing command and goes on, so that a tutorial could rot unnoticed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from IPython.core.getipython import get_ipython


class TutorialShell:
    """Runs the commands of one tutorial in the folder it was started in."""

    def __init__(self) -> None:
        """Take over ``!command``, and keep what pip installs out of the environment.

        Raises:
            RuntimeError: The kernel belongs to another environment than Sphinx.
        """
        wanted = os.environ.get("TUTORIAL_PREFIX", sys.prefix)
        if sys.prefix != wanted:
            raise RuntimeError(f"The kernel runs in {sys.prefix}, and Sphinx in {wanted}.")
        self.folder = Path.cwd()
        self.expected = 0
        self._path: list[str] = []
        os.environ |= {
            "PIP_NO_DEPS": "1",
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say --no-build-isolation
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_ROOT_USER_ACTION": "ignore",
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "OMP_NUM_THREADS": "1",  # small networks on busy machines are fastest so
        }
        for name in ("FORCE_COLOR", "CLICOLOR_FORCE"):  # which the kernel sets
            os.environ.pop(name, None)
        self.fresh_environment("site")
        get_ipython().system = self.run

    def fresh_environment(self, name: str) -> None:
        """Let pip install into a folder of its own, beside the core and its plugins.

        pip is told so by an environment variable, and the commands shown are those that a reader
        types.
        """
        site = self.folder / f".{name}"
        os.environ["PIP_TARGET"] = str(site)
        self._set_path(str(site))

    def find_source(self, folder: str) -> None:
        """Let commands import the package in a folder's ``src``, as an editable install does.

        pip leaves a ``.pth`` file for that, which Python heeds in an environment's own folder only.
        """
        self._set_path(*self._path, str(self.folder / folder / "src"))

    def expect(self, code: int) -> None:
        """Expect the next command to exit with a code other than 0."""
        self.expected = code

    def run(self, command: str) -> None:
        """Run a shell command and show what it prints.

        Raises:
            RuntimeError: It does not exit as expected.
        """
        done = subprocess.run(
            command,
            shell=True,
            check=False,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        sys.stdout.write(done.stdout.replace(str(self.folder), "~"))
        expected, self.expected = self.expected, 0
        if done.returncode != expected:
            raise RuntimeError(f"'{command}' exits with {done.returncode}, not {expected}.")

    def _set_path(self, *folders: str) -> None:
        self._path = list(folders)
        os.environ["PYTHONPATH"] = os.pathsep.join(folders)
