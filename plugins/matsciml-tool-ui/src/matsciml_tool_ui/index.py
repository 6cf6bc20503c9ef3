"""Which pages the folders of a tree have, and which of them are runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import filter as filter_names
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from matsciml_tool_ui.scan import Folder
from matsciml_util_pages.folder_pages import RUN_FILES, FolderPageSpec

_BEGUN = ("config.yaml", "run.json")
"""Files that tell when a run began: the first is written then, and not again."""

_UNSHOWN_BEGIN, _UNSHOWN_END = (".", "events.out."), (".ckpt",)
"""How files begin and end that no page shows: locks and unfinished files, events for TensorBoard,
checkpoints. Some change at every step, and a page would be drawn again each time."""


@dataclass(frozen=True)
class Index:
    """A tree of folders, as pages are looked up in it."""

    root: Path
    folders: Mapping[str, Folder]
    """By their paths within the root."""
    specs: Sequence[FolderPageSpec]
    """All kinds of pages, in their order."""

    def pages(self, name: str) -> list[FolderPageSpec]:
        """Return the pages that a folder has; none of a folder that is not there."""
        folder = self.folders.get(name)
        return [
            spec
            for spec in self.specs
            if folder and any(filter_names(folder.files, pattern) for pattern in spec.files)
        ]

    @cached_property
    def runs(self) -> list[str]:
        """The run folders, the newest first."""
        found = [name for name, one in self.folders.items() if is_run(one)]
        return sorted(found, key=lambda name: (self._began(name), name), reverse=True)

    @cached_property
    def groups(self) -> list[str]:
        """Folders with a page that are no runs: sweeps, cross-validations."""
        return sorted(n for n, one in self.folders.items() if not is_run(one) and self.pages(n))

    def group_of(self, run: str) -> str | None:
        """Return the folder of a sweep or the like that a run is part of; None: of none."""
        holding = [name for name in self._holders if run.startswith(f"{name}/" if name else "")]
        return max(holding, key=len, default=None)

    @cached_property
    def _holders(self) -> list[str]:
        return [n for n in self.groups if any(spec.holds_runs for spec in self.pages(n))]

    @cached_property
    def separate(self) -> list[str]:
        """The run folders that can be compared, the newest first.

        Runs within a sweep or a cross-validation have its page; they count where there are no
        others. One with a link in it is left out, see :meth:`link`.
        """
        safe = [run for run in self.runs if not self.link(run)]
        return [run for run in safe if self.group_of(run) is None] or safe

    def link(self, name: str) -> str:
        """Return the path of a link, device or pipe in a folder or below it; empty: there is none.

        What it leads to might be shown, or waited for.
        """
        return self._links.get(name, "")

    @cached_property
    def _links(self) -> dict[str, str]:
        links: dict[str, str] = {}
        for name, folder in self.folders.items():
            if folder.strange:
                for holding in with_parents(name):
                    links.setdefault(holding, str(folder.path / folder.strange[0]))
        return links

    def changed(self, name: str) -> float:
        """Return when a file of a folder, or below it, was changed last, s since 1970."""
        return self._changed.get(name, 0.0)

    @cached_property
    def _changed(self) -> dict[str, float]:
        changed: dict[str, float] = {}
        for name, folder in self.folders.items():
            last = max((time for time, _ in folder.files.values()), default=0) / 1e9
            for holding in with_parents(name):
                changed[holding] = max(last, changed.get(holding, 0.0))
        return changed

    def stamp(self, names: Iterable[str]) -> tuple[object, ...]:
        """Return what differs where a file in one of these folders, or below, has changed."""
        chosen = set(names)
        return tuple(
            (name, file, *stamp)
            for name, folder in self.folders.items()
            if not chosen.isdisjoint(with_parents(name))
            for file, stamp in folder.files.items()
            if not file.startswith(_UNSHOWN_BEGIN) and not file.endswith(_UNSHOWN_END)
        )

    def address(self, folder: Path) -> str:
        """Return the address of the first page of a folder; empty where it has none."""
        if not folder.is_relative_to(self.root):
            return ""
        name = "/".join(folder.relative_to(self.root).parts)
        pages = self.pages(name)
        return page_address(pages[0].name, name) if pages else ""

    def _began(self, run: str) -> int:
        files = self.folders[run].files
        return next((files[name][0] for name in _BEGUN if name in files), 0)


def with_parents(name: str) -> list[str]:
    """Return the path of a folder within the root, and those of all that hold it.

    >>> with_parents("a/b"), with_parents("")
    (['a/b', 'a', ''], [''])
    """
    parts = name.split("/")
    paths = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
    return [*paths, ""] if name else paths


def is_run(folder: Folder) -> bool:
    """Return whether a folder is that of a run."""
    return not folder.files.keys().isdisjoint(RUN_FILES)


def page_address(page: str, folder: str = "") -> str:
    """Return the address of a page.

    Args:
        page: Name of the kind of page.
        folder: Path of the folder within the root.

    >>> page_address("report", "a run/é")
    '/page/report/a%20run/%C3%A9'
    """
    return f"/page/{page}/{quote(folder)}"
