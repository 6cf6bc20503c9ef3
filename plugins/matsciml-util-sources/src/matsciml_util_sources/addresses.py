"""Which address a request really goes to: every host can be replaced by a mirror.

A mirror is set by an environment variable, ``MATSCIML_MIRROR_<HOST>`` with the host in capitals
and everything but letters and digits as ``_``, or in ``config.toml``::

    [mirrors]
    "oqmd.org" = "https://mirror.example.org/oqmd"

    [rates]
    "oqmd.org" = 0.2        # requests per second

The variable wins. A mirror's path is put before the path of the request.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from matsciml_core.errors import ConfigError
from matsciml_core.registry.folders import config_file

PREFIX = "MATSCIML_MIRROR_"


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """Mirrors of hosts, and how often hosts may be asked."""

    mirrors: Mapping[str, str] = field(default_factory=dict)
    """Host, as :func:`host_key` writes it → base address of its mirror."""
    rates: Mapping[str, float] = field(default_factory=dict)
    """Host → most requests per second, as the user's configuration says."""

    @classmethod
    def read(cls, environment: Mapping[str, str] | None = None, file: Path | None = None) -> Self:
        """Read environment variables and the configuration file.

        Args:
            environment: Environment variables; None: those of this process.
            file: The configuration file; None: where :func:`config_file` says.

        Raises:
            ConfigError: The file is not valid TOML, or a mirror is no http address.
        """
        variables = os.environ if environment is None else environment
        settings = _read_file(config_file(variables) if file is None else file)
        mirrors = {host_key(host): url for host, url in settings.get("mirrors", {}).items()}
        for name, url in variables.items():
            if name.startswith(PREFIX) and url.strip():
                mirrors[name.removeprefix(PREFIX)] = url.strip()
        for host, url in mirrors.items():
            if not str(url).startswith(("http://", "https://")):
                raise ConfigError(
                    f"The mirror of '{host}' is '{url}'; write it as 'https://host/path'."
                )
        rates = {str(host): float(rate) for host, rate in settings.get("rates", {}).items()}
        return cls(mirrors=mirrors, rates=rates)

    def resolve(self, url: str) -> str:
        """Return the address to ask instead of ``url``; the same where there is no mirror.

        >>> Addresses(mirrors={"A_ORG": "http://127.0.0.1:8000/a"}).resolve("https://a.org/x?y=1")
        'http://127.0.0.1:8000/a/x?y=1'
        """
        parts = urlsplit(url)
        mirror = self.mirrors.get(host_key(parts.hostname or ""))
        if mirror is None:
            return url
        base = urlsplit(mirror)
        path = base.path.rstrip("/") + parts.path
        return urlunsplit((base.scheme, base.netloc, path, parts.query, ""))


def host_key(host: str) -> str:
    """Return a host as it stands in the name of an environment variable.

    >>> host_key("api.materialsproject.org")
    'API_MATERIALSPROJECT_ORG'
    """
    return re.sub(r"[^A-Z0-9]", "_", host.upper())


def safe_url(url: str) -> str:
    """Return an address that may be shown: without user, password, query and fragment.

    >>> safe_url("https://me:secret@a.org/x?key=secret")
    'https://a.org/x?…'
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" + ("?…" if parts.query else "")


def _read_file(path: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"The configuration file '{path}' cannot be read: {error}.") from error
    for section in ("mirrors", "rates"):
        if not isinstance(settings.get(section, {}), dict):
            raise ConfigError(f"'{section}' in '{path}' must be a table, written as [{section}].")
    return settings
