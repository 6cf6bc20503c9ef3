"""The hook by which plugins offer pages about folders of runs, and the record that it collects.

A tool that shows such pages, as ``matsciml ui`` does, brings the hook; tools that can write one
implement it, and need not know of each other. As light as a plugin module: nothing here imports
torch or matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from matsciml_core import Spec, hookspec

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

RUN_FILES = ("run.json", "segments.json", "metrics.csv")
"""Files of which a run folder has at least one: the summary, the parts, the curves. Runs alone
write them; a configuration may be anything's."""


@dataclass(frozen=True, kw_only=True)
class FolderPageSpec(Spec):
    """A page about a folder; ``class_path`` names a function.

    The function takes a :class:`PageSubject` and returns a ``matsciml_util_pages.pages.Page``. It
    writes nothing, and runs nothing that the folder holds, which may be a stranger's and may still
    be written to: what it raises stands in place of the page, until it can be made.
    """

    kind: ClassVar[str] = "folder-page"

    title: str
    """What links to the page are called."""
    files: tuple[str, ...] = ()
    """Names of files, or patterns such as ``*.selection.json``, of which any marks a folder that
    the page is about; empty: the page is about all runs of a folder together."""
    holds_runs: bool = True
    """Whether runs below such a folder are parts of what the page is about, as the trials of a
    sweep are, rather than lie there by chance."""
    order: int = 50
    """Where it stands among the pages, which ascend."""


@dataclass(frozen=True, kw_only=True)
class PageSubject:
    """What a page is about."""

    folder: Path
    """It holds no link but those named ``latest`` to a folder beside them."""
    runs: Sequence[Path]
    """Run folders in it, the newest first."""
    registry: Registry
    address: Callable[[Path], str]
    """Returns the address of the page of a folder, such as a run; empty where it has none."""


class FolderPageHooks:
    """Hook specifications of tools that show pages about folders."""

    @hookspec
    def matsciml_folder_pages(self) -> Iterable[FolderPageSpec]:
        """Offer pages about run folders, or about folders that hold runs.

        Called once per process, when the registry is built. The function that a record names is
        imported when somebody looks at such a page, and called again whenever the folder has
        changed since::

            @hookimpl(optionalhook=True)
            def matsciml_folder_pages():
                from matsciml_util_pages.folder_pages import FolderPageSpec

                yield FolderPageSpec(
                    name="phonons",
                    title="Phonons",
                    summary="Bands and density of states of a run's model.",
                    class_path="matsciml_tool_mine.pages:phonons",
                    files=("phonons.json",),
                )

        .. versionadded:: 0.1
        """
        raise NotImplementedError
