"""The public bucket of the Materials Project: which releases it has, and what belongs to one.

How a release is laid out has changed with time (an object per material, then objects by number of
elements and space group, then a table), so nothing about it is written down here: it is found by
listing. All the layouts have in common that ``collections/`` has either a folder for the release
with a folder ``summary``, or a folder ``summary`` with one for the version.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from matsciml_core.data.fetch import FetchRequest
from matsciml_core.errors import FetchError, did_you_mean
from matsciml_core.files import read_object, write_json
from matsciml_data_mp.objects import FORMATS, count_records, require_reader
from matsciml_data_mp.stores import canonical
from matsciml_util_sources.download import RemoteFile
from matsciml_util_sources.many_files import download_all
from matsciml_util_sources.s3 import Bucket, S3Object, key_below

HOST = "materialsproject-build.s3.amazonaws.com"
RATE = 40.0
"""Requests per second; the bucket itself asks for no limit."""
_ROOT = "collections/"
_COLLECTION = "summary"
_VERSION = "version="
_PLAN = "plan.json"


@dataclass(frozen=True)
class Plan:
    """The objects of a release, as the bucket listed them."""

    release: str
    prefix: str
    """What their keys begin with."""
    objects: tuple[S3Object, ...]
    """In the order of their keys."""
    complete: bool = False
    """Whether all of them were fetched, so that the bucket need not be asked again."""

    def save(self, folder: Path) -> None:
        """Write it to ``plan.json``.

        Args:
            folder: That of the release.
        """
        write_json(folder / _PLAN, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Plan | None:
        """Read it; None where there is none.

        Args:
            folder: That of the release.
        """
        data = read_object(folder / _PLAN)
        if data is None:
            return None
        objects = tuple(S3Object(**entry) for entry in data["objects"])
        return cls(data["release"], data["prefix"], objects, data["complete"])

    def paths(self, folder: Path) -> list[Path]:
        """Return where the objects lie.

        Args:
            folder: That of the objects.
        """
        return [folder / key_below(item.key, self.prefix) for item in self.objects]


def fetch_objects(request: FetchRequest, release: str, threads: int) -> tuple[Plan, list[Path]]:
    """Fetch the objects of a release, or as many as a trial needs.

    Objects that are there, with the size and the checksum that the bucket lists, are kept; those
    that the bucket has replaced meanwhile are fetched again. When all are there, no request is
    made any more.

    Args:
        request: Where to put them, and how many records are wanted.
        release: Name of the release.
        threads: Objects at a time.

    Returns:
        The objects, and their files.

    Raises:
        FetchError: There is no such release, or the bucket does not answer.
        MissingPackageError: The release needs a package that is not installed.
    """
    folder = request.folder / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    request.client.pace(HOST, RATE)
    bucket = Bucket(request.client, f"https://{HOST}")
    plan = Plan.load(request.folder)
    if plan is not None and plan.release != release:
        raise FetchError(
            f"'{request.folder}' holds the release '{plan.release}' of the Materials Project; name "
            "another folder with --to."
        )
    if plan is None or not plan.complete:
        plan = _renew_plan(bucket, release, request.folder, plan)
    require_reader([item.key for item in plan.objects])  # now, rather than after gigabytes
    if request.limit is not None:
        return _fetch_trial(bucket, plan, folder, threads, request)
    _download(bucket, plan, folder, threads, request)
    replace(plan, complete=True).save(request.folder)
    return plan, plan.paths(folder)


def list_release(bucket: Bucket, release: str) -> Plan:
    """Find out what objects a release has.

    Args:
        bucket: The bucket.
        release: Name of the release.

    Raises:
        FetchError: There is no such release, or nothing in it can be read.
    """
    prefix = _prefix(bucket, release)
    listed = [item for item in bucket.objects(prefix) if _holds_records(item)]
    # A release may be there in two formats, of which one is enough.
    for form in FORMATS:
        objects = [item for item in listed if item.key.endswith(form)]
        if objects:
            return Plan(release, prefix, tuple(sorted(objects, key=lambda item: item.key)))
    raise FetchError(
        f"The release '{release}' has no summary that can be read in '{prefix}'; the Materials "
        "Project has changed its bucket."
    )


def _prefix(bucket: Bucket, release: str) -> str:
    """Return what the keys of a release's summary begin with."""
    name = canonical(release)
    folders = bucket.folders(_ROOT)
    prefixes = {date: f"{_ROOT}{date}/{_COLLECTION}/" for date in folders if date[:1].isdigit()}
    if name not in prefixes and _COLLECTION in folders:  # the other layout
        for folder in bucket.folders(f"{_ROOT}{_COLLECTION}/"):
            if folder.startswith(_VERSION):
                prefixes[folder.removeprefix(_VERSION)] = f"{_ROOT}{_COLLECTION}/{folder}/"
    if name in prefixes:
        return prefixes[name]
    shown = ", ".join(sorted(prefixes)) or "none, so the Materials Project has changed its bucket"
    raise FetchError(
        f"The Materials Project has no release '{release}'.{did_you_mean(name, prefixes)} "
        f"Releases: {shown}."
    )


def _holds_records(item: S3Object) -> bool:
    """Return whether an object is more than a marker, a list of contents or a journal."""
    name = item.key.rpartition("/")[2]
    return item.size > 0 and not name.startswith(("manifest", "_")) and "/_" not in item.key


def _renew_plan(bucket: Bucket, release: str, folder: Path, old: Plan | None) -> Plan:
    """List the release anew, and remove what was fetched of objects that have changed."""
    plan = list_release(bucket, release)
    before = {} if old is None else {item.key: item for item in old.objects}
    for item, path in zip(plan.objects, plan.paths(folder / "raw"), strict=True):
        if before.get(item.key, item) != item:  # another size or checksum under the same key
            path.unlink(missing_ok=True)
    plan.save(folder)
    return plan


def _download(
    bucket: Bucket, plan: Plan, folder: Path, threads: int, request: FetchRequest
) -> None:
    """Fetch the objects of a plan that are not there yet."""
    files: list[tuple[RemoteFile, Path]] = [
        (bucket.remote_file(item), path.parent)
        for item, path in zip(plan.objects, plan.paths(folder), strict=True)
    ]
    download_all(
        request.client, files, label="Materials Project", threads=threads, report=request.report
    )


def _fetch_trial(
    bucket: Bucket, plan: Plan, folder: Path, threads: int, request: FetchRequest
) -> tuple[Plan, list[Path]]:
    """Fetch objects until they hold as many records as the trial needs."""
    missing, end = request.limit or 0, 0
    # How many records an object has, only the object says.
    while missing > 0 and end < len(plan.objects):
        batch = replace(plan, objects=plan.objects[end : end + threads])
        _download(bucket, batch, folder, threads, request)
        end += len(batch.objects)
        missing -= sum(map(count_records, batch.paths(folder)))
    trial = replace(plan, objects=plan.objects[:end])
    return trial, trial.paths(folder)
