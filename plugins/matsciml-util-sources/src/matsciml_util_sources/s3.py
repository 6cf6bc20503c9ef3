"""Public buckets of S3: what lies in them, without a key and without a library.

Objects are listed by ``ListObjectsV2``, a thousand per answer, and fetched like any other file::

    bucket = Bucket(client, "https://example-bucket.s3.amazonaws.com")
    for found in bucket.objects("collections/2022-10-28/"):
        download(client, bucket.remote_file(found), folder)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from matsciml_core.errors import FetchError
from matsciml_util_sources.addresses import safe_url
from matsciml_util_sources.client import Client
from matsciml_util_sources.download import RemoteFile

_MD5 = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class S3Object:
    """An object of a bucket, as the listing describes it."""

    key: str
    """Its name, with slashes."""
    size: int
    """Bytes."""
    etag: str
    """Identifies its content, without quotation marks."""

    @property
    def checksum(self) -> str:
        """Its MD5 as ``md5:…``; empty where it was uploaded in parts, since the ETag is none then.

        >>> S3Object(key="a", size=0, etag="d41d8cd98f00b204e9800998ecf8427e").checksum
        'md5:d41d8cd98f00b204e9800998ecf8427e'
        >>> S3Object(key="a", size=0, etag="d41d8cd98f00b204e9800998ecf8427e-2").checksum
        ''
        """
        return f"md5:{self.etag}" if _MD5.fullmatch(self.etag) else ""


@dataclass(frozen=True)
class Bucket:
    """A public bucket."""

    client: Client
    """Sends the requests."""
    address: str
    """``https://NAME.s3.amazonaws.com``, without a slash at its end."""

    def objects(self, prefix: str) -> Iterator[S3Object]:
        """Yield all objects whose keys begin with a prefix, in the order of their keys.

        Raises:
            FetchError: The bucket does not answer, or not with a listing.
        """
        for answer in self._answers({"prefix": prefix}):
            for entry in answer.iterfind("{*}Contents"):
                size, key = entry.findtext("{*}Size", ""), entry.findtext("{*}Key", "")
                if not key or not size.isdigit():
                    raise FetchError(
                        f"The listing of '{self.address}' describes an object without name or "
                        "size; the source has changed."
                    )
                # S3 puts the ETag between quotation marks, as HTTP's header has it.
                etag = entry.findtext("{*}ETag", "").strip('"')
                yield S3Object(key=key, size=int(size), etag=etag)

    def folders(self, prefix: str) -> list[str]:
        """Return what follows a prefix up to the next slash, for all keys that have one.

        Args:
            prefix: Ends with a slash, or is empty.

        Raises:
            FetchError: See :meth:`objects`.
        """
        prefixes = [
            entry.findtext("{*}Prefix", "")
            for answer in self._answers({"prefix": prefix, "delimiter": "/"})
            for entry in answer.iterfind("{*}CommonPrefixes")
        ]
        return [name.removeprefix(prefix).rstrip("/") for name in prefixes]

    def remote_file(self, found: S3Object) -> RemoteFile:
        """Return an object as a file to download, named like the last part of its key.

        Raises:
            FetchError: Its key cannot be the name of a file.
        """
        return RemoteFile(
            url=f"{self.address}/{quote(found.key, safe='/=-_.~')}",
            name=found.key.rpartition("/")[2],
            size=found.size,
            checksum=found.checksum,
        )

    def _answers(self, query: dict[str, str]) -> Iterator[ElementTree.Element]:
        """Yield the pages of a listing."""
        seen: set[str] = set()
        parameters = {"list-type": "2", **query}
        while True:
            answer = self._page(parameters)
            yield answer
            token = answer.findtext("{*}NextContinuationToken", "")
            if answer.findtext("{*}IsTruncated", "") != "true":
                return
            # A token that comes twice would list the same objects for ever.
            if not token or token in seen:
                raise FetchError(
                    f"The listing of '{self.address}' does not end; run the same command again."
                )
            seen.add(token)
            parameters["continuation-token"] = token

    def _page(self, parameters: dict[str, str]) -> ElementTree.Element:
        url = f"{self.address}/?{urlencode(parameters)}"
        body = self.client.get_bytes(url)
        # A listing declares no entities; a document that does may be made to fill the memory.
        if b"<!DOCTYPE" not in body[:1024]:
            try:
                root = ElementTree.fromstring(body)
            except ElementTree.ParseError:
                root = None
            if root is not None and root.tag.rpartition("}")[2] == "ListBucketResult":
                return root
        raise FetchError(
            f"'{safe_url(url)}' did not answer with a listing of a bucket; the source has moved, "
            "or a proxy wants you to log in."
        )


def key_below(key: str, prefix: str) -> PurePosixPath:
    """Return where an object belongs in a folder that stands for a prefix.

    Args:
        key: Its key; begins with the prefix.
        prefix: What all keys begin with.

    Returns:
        A relative path within that folder.

    Raises:
        FetchError: The key would lead out of the folder, or names no file.

    >>> str(key_below("a/b/c.gz", "a/"))
    'b/c.gz'
    """
    parts = key.removeprefix(prefix).split("/")
    # Backslash and colon: on Windows they lead to other folders and drives.
    odd = any(part in ("", ".", "..") or "\\" in part or ":" in part for part in parts)
    if odd or not key.startswith(prefix):
        raise FetchError(f"The object '{key}' cannot be a file in a folder; the source is wrong.")
    return PurePosixPath(*parts)
