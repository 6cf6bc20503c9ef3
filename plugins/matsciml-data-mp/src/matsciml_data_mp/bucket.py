"""The public bucket of the Materials Project: which releases it has, and what belongs to one.

How a release is laid out has changed with time (an object per material, then objects by number of
elements and space group, then a table), so nothing about it is written down here: it is found by
listing. All the layouts have in common that ``collections/`` has either a folder for the release
with a folder ``summary``, or a folder ``summary`` with one for the version.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from matsciml_core.data.fetch import FetchRequest, RemoteFile, read_object, write_json
from matsciml_core.errors import FetchError, did_you_mean
from matsciml_data_mp.objects import FORMATS, count_records, require_reader
from matsciml_data_mp.stores import canonical
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
        """Write it to ``plan.json``."""
        write_json(folder / _PLAN, asdict(self))

    @classmethod
    def load(cls, folder: Path) -> Plan | None:
        """Read it; None where there is none."""
        data = read_object(folder / _PLAN)
        if data is None:
            return None
        objects = tuple(S3Object(**entry) for entry in data["objects"])
        return cls(data["release"], data["prefix"], objects, data["complete"])

    def paths(self, folder: Path) -> list[Path]:
        """Return where the objects lie."""
        return [folder / key_below(one.key, self.prefix) for one in self.objects]


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
    plan = _plan_here(request.folder, release)
    if plan is None or not plan.complete:
        plan = _fresh_plan(bucket, release, request.folder, plan)
    require_reader([one.key for one in plan.objects])
    if request.limit is not None:
        return _enough(bucket, plan, folder, threads, request)
    _download(bucket, plan, folder, threads, request)
    replace(plan, complete=True).save(request.folder)
    return plan, plan.paths(folder)


def list_release(bucket: Bucket, release: str) -> Plan:
    """Find out what objects a release has.

    Raises:
        FetchError: There is no such release, or nothing in it can be read.
    """
    prefix = _prefix(bucket, release)
    listed = [one for one in bucket.objects(prefix) if _holds_records(one)]
    for form in FORMATS:
        objects = tuple(one for one in listed if one.key.endswith(form))
        if objects:
            return Plan(release, prefix, tuple(sorted(objects, key=lambda one: one.key)))
    raise FetchError(
        f"The release '{release}' has no summary that can be read in '{prefix}'; the Materials "
        "Project has changed its bucket."
    )


def _prefix(bucket: Bucket, release: str) -> str:
    """Return what the keys of a release's summary begin with."""
    wanted = canonical(release)
    folders = bucket.folders(_ROOT)
    known = {name: f"{_ROOT}{name}/{_COLLECTION}/" for name in folders if name[:1].isdigit()}
    if wanted not in known and _COLLECTION in folders:
        for name in bucket.folders(f"{_ROOT}{_COLLECTION}/"):
            if name.startswith(_VERSION):
                known[name.removeprefix(_VERSION)] = f"{_ROOT}{_COLLECTION}/{name}/"
    if wanted in known:
        return known[wanted]
    shown = ", ".join(sorted(known)) or "none, so the Materials Project has changed its bucket"
    raise FetchError(
        f"The Materials Project has no release '{release}'.{did_you_mean(wanted, known)} "
        f"Releases: {shown}."
    )


def _holds_records(one: S3Object) -> bool:
    """Return whether an object is more than a marker, a list of contents or a journal."""
    name = one.key.rpartition("/")[2]
    return one.size > 0 and not name.startswith(("manifest", "_")) and "/_" not in one.key


def _plan_here(folder: Path, release: str) -> Plan | None:
    """Return what an earlier call found out, if it was about the same release."""
    plan = Plan.load(folder)
    if plan is not None and plan.release != release:
        raise FetchError(
            f"'{folder}' holds the release '{plan.release}' of the Materials Project; name another "
            "folder with --to."
        )
    return plan


def _fresh_plan(bucket: Bucket, release: str, folder: Path, old: Plan | None) -> Plan:
    """List the release anew, and remove what was fetched of objects that have changed."""
    plan = list_release(bucket, release)
    before = {} if old is None else {one.key: one for one in old.objects}
    for one, path in zip(plan.objects, plan.paths(folder / "raw"), strict=True):
        if before.get(one.key, one) != one:
            path.unlink(missing_ok=True)
    plan.save(folder)
    return plan


def _download(
    bucket: Bucket, plan: Plan, folder: Path, threads: int, request: FetchRequest
) -> None:
    files: list[tuple[RemoteFile, Path]] = [
        (bucket.remote_file(one), path.parent)
        for one, path in zip(plan.objects, plan.paths(folder), strict=True)
    ]
    download_all(
        request.client, files, label="Materials Project", threads=threads, report=request.report
    )


def _enough(
    bucket: Bucket, plan: Plan, folder: Path, threads: int, request: FetchRequest
) -> tuple[Plan, list[Path]]:
    """Fetch objects until they hold as many records as the trial wants."""
    wanted, taken = request.limit or 0, 0
    for first in range(0, len(plan.objects), threads):
        part = replace(plan, objects=plan.objects[first : first + threads])
        _download(bucket, part, folder, threads, request)
        taken = min(first + threads, len(plan.objects))
        wanted -= sum(map(count_records, part.paths(folder)))
        if wanted <= 0:
            break
    chosen = replace(plan, objects=plan.objects[:taken])
    return chosen, chosen.paths(folder)
