"""The pages by their addresses: drawn from the folder as it is, kept until it changes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

from matsciml_core.errors import DataError, MatSciMLError, visible
from matsciml_tool_ui.index import Index, page_address
from matsciml_tool_ui.overview import overview
from matsciml_tool_ui.progress import Progress, read_progress
from matsciml_tool_ui.scan import Stamp, scan
from matsciml_util_pages.folder_pages import FolderPageSpec, PageSubject
from matsciml_util_pages.page_shell import read_asset
from matsciml_util_pages.pages import Page, render
from matsciml_util_pages.views import View

if TYPE_CHECKING:
    from matsciml_core.registry.manager import Registry

_KEPT = 32
"""Pages that are kept as they were drawn."""
_MARK = 'data-mark=""'


@dataclass(frozen=True, kw_only=True)
class SiteLink:
    """A link to another page of the site."""

    title: str
    address: str
    current: bool
    """Whether it leads to the page that it is on."""


@dataclass(frozen=True)
class SiteLinks(View):
    """Links to other pages, and the place where the script says that the server has ended."""

    template: ClassVar[str] = "matsciml_tool_ui/assets/links.html.j2"

    links: tuple[SiteLink, ...]
    milliseconds: int
    """Shortest time between two questions whether the page has changed."""


@dataclass(frozen=True)
class Shown:
    """A page as it is sent."""

    html: str
    mark: str
    """Hash of it, by which a browser asks whether it has changed."""


class Site:
    """The pages of a folder; may be asked from several threads.

    Args:
        root: The folder, resolved.
        registry: Has the kinds of pages.
        clock: Returns the time, s since 1970.
        seconds: For how long a look at the folder serves: several tabs may ask at once. Each asks
            half as often.
    """

    def __init__(
        self,
        root: Path,
        registry: Registry,
        *,
        clock: Callable[[], float] = time.time,
        seconds: float = 1.0,
    ) -> None:
        """Look at nothing yet."""
        self.root = root
        self.registry = registry
        self.clock = clock
        self.seconds = seconds
        offered = registry.specs(FolderPageSpec.kind)
        specs = [spec for spec in offered if isinstance(spec, FolderPageSpec)]
        self._specs = sorted(specs, key=lambda spec: (spec.order, spec.name))
        # Figures are drawn with settings that matplotlib has once for the whole process.
        self._lock = Lock()
        self._index: tuple[float, Index] | None = None
        self._progress: dict[str, tuple[dict[str, Stamp], Progress]] = {}
        self._drawn: dict[str, tuple[object, Page]] = {}

    def overview(self) -> Shown:
        """Return the first page."""
        with self._lock:
            index = self._look()
            page = overview(index, partial(self._read, index), self.clock())
            return self._show(page, "/", index)

    def page(self, kind: str, folder: str) -> Shown | None:
        """Return a page about a folder, or about all runs; None: there is none of this address.

        Args:
            kind: Name of the kind of page.
            folder: Path of the folder within the root, as a page links it; it is looked up among
                the folders that were found, and never opened by this name.
        """
        with self._lock:
            index = self._look()
            about = index.pages(folder) if folder else [*index.pages(""), *self._shared()]
            spec = next((spec for spec in about if spec.name == kind), None)
            if spec is None:
                return None
            address = page_address(kind, folder)
            return self._show(self._draw(spec, folder, index), address, index)

    def _shared(self) -> list[FolderPageSpec]:
        """Return the kinds of pages that are about all runs together."""
        return [spec for spec in self._specs if not spec.files]

    def _look(self) -> Index:
        now = time.monotonic()
        if self._index is None or now - self._index[0] > self.seconds:
            index = Index(self.root, scan(self.root), self._specs)
            self._index = now, index
            self._progress = {
                run: one for run, one in self._progress.items() if run in index.folders
            }
        return self._index[1]

    def _read(self, index: Index, run: str) -> Progress:
        """Return how far a run has come, read again where a file of it has changed."""
        folder = index.folders[run]
        known = self._progress.get(run)
        if known is None or known[0] != folder.files:
            known = dict(folder.files), read_progress(folder.path)
            self._progress[run] = known
        return known[1]

    def _draw(self, spec: FolderPageSpec, folder: str, index: Index) -> Page:
        """Return a page, or one that says why it cannot be drawn now."""
        runs = index.separate
        if spec.files:
            runs = [
                run for run in index.runs if f"{run}/".startswith(f"{folder}/" if folder else "")
            ]
        stamp = index.stamp([folder] if spec.files else runs)
        address = page_address(spec.name, folder)
        known = self._drawn.get(address)
        if known is not None and known[0] == stamp:
            return known[1]
        subject = PageSubject(
            folder=index.folders[folder].path,
            runs=[index.folders[run].path for run in runs],
            registry=self.registry,
            address=index.address,
        )
        try:
            if spec.files and (link := index.link(folder)):
                raise DataError(
                    f"'{link}' is a link, a device or a pipe, which may lead out of the folder; "
                    "put the file itself there."
                )
            page: Page = self.registry.get(spec.kind, spec.name).load()(subject)
            render(page)  # templates raise, too
        except (
            Exception
        ) as error:  # whatever files of strangers make the function of a plugin raise
            text = (
                str(error)
                if isinstance(error, MatSciMLError)
                else f"{type(error).__name__}: {error}"
            )
            return Page(
                eyebrow=f"MatSciML {spec.title.lower()}",
                title=visible(folder or self.root.name),
                notices=[f"Not readable yet. {visible(' '.join(text.split()))}"],
            )
        while len(self._drawn) >= _KEPT:
            del self._drawn[next(iter(self._drawn))]
        self._drawn[address] = stamp, page
        return page

    def _show(self, page: Page, address: str, index: Index) -> Shown:
        """Return a page with the links of the site, and with the script that follows it."""
        links = [("Overview", "/")]
        links += [(spec.title, page_address(spec.name)) for spec in self._shared() if index.runs]
        here = SiteLinks(
            tuple(SiteLink(title=one, address=to, current=to == address) for one, to in links),
            milliseconds=round(2000 * self.seconds),
        )
        markup = render(
            replace(page, top=[here, *page.top]),
            style=read_asset("matsciml_tool_ui", "live.css"),
            script=read_asset("matsciml_tool_ui", "live.js"),
        )
        # As text, because markup escapes what is put into it; JSON may hold halves of characters.
        html = str(markup).encode(errors="replace").decode()
        mark = hashlib.sha256(html.encode()).hexdigest()[:32]
        # Quotation marks in the texts of a page are escaped, so that this is the template's own.
        return Shown(html.replace(_MARK, f'data-mark="{mark}"', 1), mark)
