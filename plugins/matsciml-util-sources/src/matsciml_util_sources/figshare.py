"""Files at figshare, asked for where programs are welcome.

``figshare.com/ndownloader/files/<number>`` answers programs with status 202 and a challenge for
browsers; the interface serves the same file, with ``Range``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from matsciml_core.errors import FetchError
from matsciml_util_sources.client import Client
from matsciml_util_sources.download import RemoteFile

FIGSHARE = "https://api.figshare.com/v2"
_FILE = re.compile(r"https?://([\w-]+\.)*figshare\.com/(?:.*/)?(?:files|download)/(\d+)/?(?:\?.*)?")


def file_address(number: int | str) -> str:
    """Return where a file is served to programs.

    Args:
        number: The file's number, or any address at figshare that ends in it.

    Raises:
        FetchError: The text is neither.

    >>> file_address("https://figshare.com/ndownloader/files/40344436")
    'https://api.figshare.com/v2/file/download/40344436'
    """
    text = str(number)
    match = _FILE.fullmatch(text)
    digits = text if match is None else match[2]
    if not digits.isdigit():
        raise FetchError(f"'{text}' is no file at figshare; give the file's number.")
    return f"{FIGSHARE}/file/download/{digits}"


def list_files(client: Client, article: int) -> dict[str, RemoteFile]:
    """Return the files of an article by their names.

    Args:
        client: Sends the request.
        article: Number of the article.

    Raises:
        FetchError: There is no such article, or the answer is something else.
    """
    answer = client.get_json(f"{FIGSHARE}/articles/{article}")
    try:
        return {entry["name"]: _remote_file(entry) for entry in answer["files"]}
    except (KeyError, TypeError):
        raise FetchError(f"figshare has no list of files for article {article}.") from None


def _remote_file(entry: Mapping[str, Any]) -> RemoteFile:
    md5 = entry.get("computed_md5") or entry.get("supplied_md5") or ""
    return RemoteFile(
        url=file_address(entry["id"]),
        name=str(entry["name"]),
        size=entry.get("size"),
        checksum=f"md5:{md5}" if md5 else "",
    )
