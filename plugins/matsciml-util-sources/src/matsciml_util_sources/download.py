"""One file: fetched in as many pieces as it takes, checked, and only then given its name."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import requests
from filelock import FileLock, Timeout

from matsciml_core.data.limits import limit
from matsciml_core.errors import FetchError
from matsciml_core.files import open_appending, read_object, write_json
from matsciml_core.progress import Meter, Report, silent
from matsciml_util_sources.addresses import safe_url
from matsciml_util_sources.client import READ_ERRORS, Client, TransientError, looks_like_html

LARGEST_DOWNLOAD = "MATSCIML_LARGEST_DOWNLOAD"
"""GiB of a download whose size nobody declares."""
_DEFAULT_DOWNLOAD = 100.0
"""GiB, where the variable is not set."""
_BLOCK = 1 << 16
"""Bytes that are taken from the network, and put on the disk, at once."""
_RESERVE = 64 << 20
"""Bytes that a download leaves free on the disk."""
_CHECKSUM = re.compile(r"(md5|sha1|sha256|sha512):[0-9a-f]{32,128}")
# "bytes 100-999/1000", or "*" where the server does not know the length.
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_COMPRESSED = (".gz", ".tgz", ".xz", ".bz2", ".zip", ".zst")


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...
    def hexdigest(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file at a source, and what its source declares about it."""

    url: str
    name: str
    """File name here."""
    size: int | None = None
    """Bytes; None: not known."""
    checksum: str = ""
    """``md5:…``, ``sha1:…``, ``sha256:…`` or ``sha512:…`` in lower-case hexadecimal digits."""

    def __post_init__(self) -> None:
        """Check the fields."""
        if self.checksum and not _CHECKSUM.fullmatch(self.checksum):
            raise FetchError(
                f"'{self.name}' is declared with the checksum '{self.checksum}'; write it as "
                "'sha256:' and hexadecimal digits."
            )
        if Path(self.name).name != self.name or self.name in ("", ".", ".."):
            raise FetchError(f"'{self.name}' is no file name; give one without folders.")


@dataclass(frozen=True, kw_only=True)
class _Validators:
    """What identifies the version of a file at the source; kept beside the unfinished one."""

    url: str
    etag: str = ""
    modified: str = ""
    size: int | None = None

    @property
    def condition(self) -> str:
        """Value of ``If-Range``; empty where nothing identifies the version exactly."""
        return self.modified if not self.etag or self.etag.startswith("W/") else self.etag


def download(
    client: Client,
    file: RemoteFile,
    folder: str | os.PathLike[str],
    *,
    report: Report = silent,
    secrets: Mapping[str, str] | None = None,
) -> Path:
    """Fetch a file, continuing where an earlier call stopped.

    Bytes go to ``<name>.part``; the file gets its name when size, type and checksum are right, so
    a file that has its name is whole. A record beside it says what was checked: a later call
    makes no request, and reads the file again only where its size or time of change differ.

    Args:
        client: Sends the requests.
        file: What to fetch.
        folder: Where to put it; made where it is missing.
        report: Receives progress.
        secrets: Headers that only the file's host may see.

    Returns:
        The file.

    Raises:
        FetchError: The source gives no data, or other data than declared; the disk is too full;
            or another process is fetching the same file.
    """
    target = Path(folder) / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        # The system gives up the lock of a process that was killed at once.
        with FileLock(f"{target}.lock", timeout=0):
            if not _is_whole(target, file):
                _Download(client, file, target, report, dict(secrets or {})).run()
    except Timeout:
        raise FetchError(
            f"Another process is fetching '{target}'; wait until it has finished."
        ) from None
    return target


class _Download:
    """The fetching of one file."""

    def __init__(
        self,
        client: Client,
        file: RemoteFile,
        target: Path,
        report: Report,
        secrets: dict[str, str],
    ) -> None:
        self.client, self.file, self.target, self.secrets = client, file, target, secrets
        self.part = target.with_name(f"{target.name}.part")
        self.sidecar = target.with_name(f"{target.name}.part.json")
        self.meter = Meter(file.name, report, unit="bytes", total=file.size)
        self.digest: _Digest = _new_digest(file.checksum)

    def run(self) -> None:
        """Fetch until the file is whole; begin anew once where its checksum is wrong."""
        self._recall()
        for last in (False, True):
            self.client.persist(self._attempt, self.file.url)
            digest = self.digest.hexdigest()
            expected = self.file.checksum.partition(":")[2]
            if not expected or digest == expected:
                break
            self._discard()
            if last:
                raise FetchError(
                    f"'{self.file.name}' from '{safe_url(self.file.url)}' has the checksum "
                    f"{digest} instead of {expected}; the source has changed, or a proxy alters it."
                )
        os.replace(self.part, self.target)
        self.sidecar.unlink(missing_ok=True)
        method = self.file.checksum.partition(":")[0] or "sha256"
        write_json(_record_path(self.target), _record(self.target, f"{method}:{digest}"))
        self.meter.finish()

    def _recall(self) -> None:
        """Take up what an earlier process left behind."""
        earlier = _read_validators(self.sidecar)
        resumable = earlier is not None and earlier.url == self.file.url
        if resumable and earlier is not None and not earlier.condition and not self.file.checksum:
            resumable = False  # nothing would tell whether the rest belongs to the same version
        # What a link leads to is not ours to continue, nor to give the name of a fetched file.
        if not resumable or self.part.is_symlink() or not self.part.is_file():
            self._discard()
            return
        # A digest's state cannot be kept on disk: the bytes that are there are read once more.
        with self.part.open("rb") as stream:
            while block := stream.read(_BLOCK):
                self.digest.update(block)
        size = self.part.stat().st_size
        self.meter = Meter(
            self.file.name, self.meter._report, unit="bytes", total=self.meter.total, done=size
        )

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.sidecar.unlink(missing_ok=True)
        self.digest = _new_digest(self.file.checksum)
        self.meter.restart()

    def _attempt(self) -> None:
        """Send one request for what is missing, and append what comes."""
        have = self.part.stat().st_size if self.part.exists() else 0
        earlier = _read_validators(self.sidecar)
        headers = {}
        if have:
            headers["Range"] = f"bytes={have}-"
            if earlier is not None and earlier.condition:
                # Of another version the server sends the whole file, with status 200.
                headers["If-Range"] = earlier.condition
        with self.client.open(
            self.file.url, headers=headers, secrets=self.secrets, accept=(200, 206, 416)
        ) as response:
            if response.status_code == 416:
                self._beyond_the_end(response, have)
            else:
                self._receive(response, have)

    def _beyond_the_end(self, response: requests.Response, have: int) -> None:
        """Handle the answer that there is nothing after what we have: whole, or another file."""
        total = response.headers.get("Content-Range", "").rpartition("/")[2]
        if have and total.isdigit() and int(total) == have and self.file.size in (None, have):
            return
        self._discard()
        raise TransientError("the source has changed meanwhile")

    def _receive(self, response: requests.Response, have: int) -> None:
        if response.status_code == 206:
            total = self._check_range(response, have)
        else:
            if have:
                self._discard()  # the server sends the whole file: another version, or no ranges
            packed, length = self._packed(response), response.headers.get("Content-Length", "")
            have, total = 0, int(length) if length.isdigit() and not packed else None
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind == "text/html":
                self._reject_web_page()
            if not packed:  # what is unpacked on the way cannot be continued
                self._write_validators(response, total)
        if total == 0 and self.file.size != 0:
            raise TransientError("the answer was empty")
        if total is not None and self.file.size not in (None, total):
            raise FetchError(
                f"'{self.file.name}' has {total} bytes at '{safe_url(self.file.url)}' instead of "
                f"{self.file.size}; the source has changed."
            )
        self.meter.total = self.file.size or total
        _check_space(self.target.parent, (self.meter.total or 0) - have)
        self._append(response)
        self._check_length()

    def _check_range(self, response: requests.Response, have: int) -> int | None:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
        earlier = _read_validators(self.sidecar)
        if match is None or int(match[1]) != have:
            self._discard()
            raise TransientError("the server sent another range than it was asked for")
        total = None if match[3] == "*" else int(match[3])
        fresh = response.headers.get("ETag", "")
        # Not every server honours If-Range: what it sends is compared once more.
        changed = earlier is not None and (
            (earlier.etag and fresh and fresh != earlier.etag)
            or (earlier.size is not None and total is not None and total != earlier.size)
        )
        if changed:
            self._discard()
            raise TransientError("the source has changed meanwhile")
        return total

    def _write_validators(self, response: requests.Response, total: int | None) -> None:
        headers = response.headers
        validators = _Validators(
            url=self.file.url,
            etag=headers.get("ETag", ""),
            modified=headers.get("Last-Modified", ""),
            size=total,
        )
        write_json(self.sidecar, asdict(validators))

    def _reject_web_page(self) -> None:
        """Raise an error unless a web page is what was asked for."""
        if not self.file.name.endswith((".html", ".htm")):
            raise FetchError(
                f"'{safe_url(self.file.url)}' answered with a web page instead of "
                f"'{self.file.name}'; the source has moved, or a proxy wants you to log in."
            )

    def _append(self, response: requests.Response) -> None:
        unpack = self._packed(response)
        blocks = response.raw.stream(_BLOCK, decode_content=unpack)
        most = (
            limit(LARGEST_DOWNLOAD, _DEFAULT_DOWNLOAD)
            if self.meter.total is None
            else self.meter.total
        )
        gained = False
        with open_appending(self.part) as stream:
            try:
                for block in blocks:
                    # A portal's login page may come under the content type of data.
                    if not stream.tell() and looks_like_html(block):
                        self._reject_web_page()
                    if stream.tell() + len(block) > most:
                        self._reject_longer(most)
                    stream.write(block)
                    self.digest.update(block)
                    self.meter.add(len(block))
                    gained = True
            except READ_ERRORS:
                if unpack:
                    self._discard()
                raise TransientError("the connection broke off", gained=gained) from None
            except OSError as error:
                raise FetchError(
                    f"'{self.part}' cannot be written ({error.strerror}); free some space and run "
                    "the same command again, it continues where it stopped."
                ) from error
            os.fsync(stream.fileno())

    def _reject_longer(self, most: int) -> None:
        """Raise an error: what is longer than declared is wrong, and not to be asked for again."""
        self._discard()
        if self.meter.total is not None:
            raise FetchError(
                f"'{safe_url(self.file.url)}' sends more than the {most:,} bytes of "
                f"'{self.file.name}'; the source has changed, or a proxy alters it."
            )
        raise FetchError(
            f"'{safe_url(self.file.url)}' sends more than {most / (1 << 30):.3g} GiB and declares "
            f"no size; if you trust it, set {LARGEST_DOWNLOAD} to the GiB that it may have."
        )

    def _packed(self, response: requests.Response) -> bool:
        """Return whether the body was packed for the way and is to be unpacked.

        A file that is compressed itself is stored as it is, even where the server declares its
        format as an encoding.
        """
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        return encoding != "identity" and not self.file.name.endswith(_COMPRESSED)

    def _check_length(self) -> None:
        size = self.part.stat().st_size
        if not size and self.file.size != 0:
            raise TransientError("the answer was empty")
        expected = self.meter.total
        if expected is not None and size < expected:
            raise TransientError(f"only {size} of {expected} bytes came", gained=False)


def verify(path: Path) -> None:
    """Read a fetched file and compare it with the checksum that was noted when it was fetched.

    Raises:
        FetchError: The file differs, or there is no note.
    """
    record = read_object(_record_path(path))
    if record is None:
        raise FetchError(f"'{path}' was not fetched by matsciml; nothing is known about it.")
    if _hash_file(path, record["checksum"]) != record["checksum"]:
        raise FetchError(
            f"'{path}' is damaged: it differs from what was fetched; remove it and fetch it again."
        )


def identity_of(path: Path) -> dict[str, Any]:
    """Return what tells whether a fetched file is still the same one, without reading it.

    Name, size, time of change, and the checksum that was noted when it was fetched; empty where
    somebody else put it there.
    """
    record, status = read_object(_record_path(path)) or {}, path.stat()
    return {
        "archive": path.name,
        "size": status.st_size,
        "changed_ns": status.st_mtime_ns,
        "checksum": str(record.get("checksum", "")),
    }


def _is_whole(path: Path, file: RemoteFile) -> bool:
    """Return whether a file is there and is what it should be."""
    record = read_object(_record_path(path))
    if not path.exists() or record is None:
        return False
    expected = file.checksum or record["checksum"]
    # Hashing gigabytes at every call takes minutes; size and time of change tell nearly as much.
    if record == _record(path, expected):
        return True
    if _hash_file(path, expected) == expected:
        write_json(_record_path(path), _record(path, expected))  # touched, not changed
        return True
    return False


def _record(path: Path, checksum: str) -> dict[str, Any]:
    status = path.stat()
    return {"checksum": checksum, "size": status.st_size, "changed_ns": status.st_mtime_ns}


def _record_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.fetched.json")


def _new_digest(checksum: str) -> _Digest:
    # Sources still publish MD5, against damage and not against attacks; FIPS systems allow it so.
    return hashlib.new(checksum.partition(":")[0] or "sha256", usedforsecurity=False)


def _hash_file(path: Path, checksum: str) -> str:
    method = checksum.partition(":")[0]
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, lambda: hashlib.new(method, usedforsecurity=False))
    return f"{method}:{digest.hexdigest()}"


def _read_validators(path: Path) -> _Validators | None:
    data = read_object(path)
    try:
        return None if data is None else _Validators(**data)
    except TypeError:
        return None


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _RESERVE > free:
        raise FetchError(
            f"'{folder}' has {free / 1e9:.1f} GB free, but {needed / 1e9:.1f} GB are still to "
            "come; free some space, or choose another folder with --to."
        )
