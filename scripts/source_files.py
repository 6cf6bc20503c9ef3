"""The Python files that users install: text, syntax tree and module name of each."""

from __future__ import annotations

import ast
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class SourceFile:
    """One module of the core, the command line or a plugin."""

    path: str
    """Relative to the repository."""
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree."""
        return ast.parse(self.text)

    @property
    def module(self) -> str:
        """Import path of the module; that of the package for an ``__init__``."""
        parts = self.path.removesuffix(".py").split("/")
        if parts[0] == "plugins":
            parts = parts[3:]  # plugins/<distribution>/src/<package>/…
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @property
    def package(self) -> str:
        """Import path of the package that the module belongs to."""
        is_package = self.path.endswith("/__init__.py")
        return self.module if is_package else self.module.rpartition(".")[0]

    @property
    def lines(self) -> int:
        """Number of lines."""
        return self.text.count("\n")


def read_sources(root: Path = ROOT) -> list[SourceFile]:
    """Return the source files under version control, or about to be, sorted by path."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    paths = sorted(path for path in listed if _is_source(path) and (root / path).is_file())
    return [SourceFile(path, (root / path).read_text(encoding="utf-8")) for path in paths]


def _is_source(path: str) -> bool:
    if "/templates/" in path:
        return False
    in_plugin = path.startswith("plugins/") and path.split("/")[2:3] == ["src"]
    return in_plugin or path.startswith(("matsciml_core/", "matsciml_cli/"))
