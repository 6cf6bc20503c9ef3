"""Many files at once: for sources that keep their data in thousands of small ones."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path

from matsciml_core.progress import Meter, Progress, Report, silent
from matsciml_util_sources.client import Client
from matsciml_util_sources.download import RemoteFile, download

THREADS = 12
"""Files that are fetched at the same time, where nobody says otherwise."""


def download_all(
    client: Client,
    files: Sequence[tuple[RemoteFile, Path]],
    *,
    label: str,
    threads: int = THREADS,
    report: Report = silent,
) -> None:
    """Fetch many files, several at a time; those that are there already cost no request.

    Args:
        client: Sends the requests, and limits their rate whatever the number of threads.
        files: Each with its folder.
        label: What they are, for the progress.
        threads: Files at a time.
        report: Receives the progress of all of them together, in bytes.

    Raises:
        FetchError: One could not be fetched; those that were under way are finished first.
    """
    total = sum(file.size or 0 for file, _ in files)
    progress = _Together(Meter(label, report, unit="bytes", total=total or None))

    def fetch(file: RemoteFile, folder: Path) -> None:
        follow = progress.follow()
        path = download(client, file, folder, report=follow)
        follow.reach(path.stat().st_size)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        running = [pool.submit(fetch, file, folder) for file, folder in files]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            for one in done:
                one.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    progress.meter.finish()


class _Together:
    """The progress of several files as that of one; threads may share it."""

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self._lock = threading.Lock()

    def follow(self) -> _Follower:
        """Return what one file reports to."""
        return _Follower(self)

    def add(self, count: int) -> None:
        """Count bytes of any file; fewer than before where one begins anew."""
        with self._lock:
            self.meter.add(count)


class _Follower:
    """Turns the position in one file into steps of the whole."""

    def __init__(self, together: _Together) -> None:
        self._together, self._done = together, 0

    def __call__(self, event: Progress) -> None:
        self.reach(event.done)

    def reach(self, done: int) -> None:
        """Note that so many bytes of the file are there."""
        self._together.add(done - self._done)
        self._done = done
