"""``matsciml doctor --report``: what a report of a bug should say about the machine, as one block.

Nothing that is looked at is imported, with the exception of torch where the user asks for it.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from matsciml_cli._checks import all_checks
from matsciml_core import __version__
from matsciml_core.registry.installed import CORE, InstalledVersions
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.requirements import applicable

SLOW = 0.005
"""Time, s, from which on an import is listed."""
MOST = 12
"""Imports that are listed, the slowest ones."""
CPU_INFO = Path("/proc/cpuinfo")
NVIDIA = Path("/proc/driver/nvidia/version")

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY")
_FEATURES = re.compile(r"f16c|fma|avx\w*|amx_\w+|asimd\w*|bf16|i8mm|sve\w*")
"""Flags that decide how fast, and in which precision, a processor multiplies matrices."""
_IMPORT = re.compile(r"import time:\s*(\d+) \|\s*\d+ \| +(\S+)")
_BUILD = re.compile(r"^_*(version|cuda|hip|debug)_*(?:: .+)? = '?(.+?)'?$", re.MULTILINE)
"""Lines of ``torch/version.py``."""


def bug_report(registry: Registry, *, import_torch: bool = False) -> str:
    """Return versions, plugins, slow imports and the hardware as text, without personal paths.

    Args:
        registry: The registry, built without ``strict``.
        import_torch: Whether torch may be imported, to say what only it can tell.
    """
    sections = {
        "versions": versions(registry.installed),
        "plugins": plugins(registry),
        "slow imports": slow_imports(),
        "hardware": hardware(),
        "torch": imported_torch() if import_torch else torch_build(),
    }
    lines = []
    for title, section in sections.items():
        lines += [f"{title}:", *(f"  {line}" for line in section)]
    return without_personal_paths("\n".join(lines))


def without_personal_paths(text: str, *, home: Path | None = None) -> str:
    """Write ``~`` for the user's home folder, and ``<env>`` for the environment's.

    >>> without_personal_paths("/h/ada/x, /h/adam, /opt/h/ada", home=Path("/h/ada"))
    '~/x, /h/adam, /opt/h/ada'
    """
    folders = {sys.prefix: "<env>", str(home or Path.home()): "~"}
    for folder, word in folders.items():
        if len(folder) > 1:  # in a container, home may be the root of all paths
            text = re.sub(rf"(?<![\w.~/-]){re.escape(folder)}(?![\w-]|\.\w)", word, text)
    return text


def versions(installed: InstalledVersions) -> Iterator[str]:
    """Yield the versions of Python, of the core, and of what the core requires."""
    yield f"{CORE} {__version__}{_origin(installed, CORE)}"
    yield f"python {platform.python_version()} ({platform.python_implementation()})"
    yield f"platform {platform.platform()}"
    for name, _ in applicable(sorted(installed.requires(CORE) or (), key=str.lower)):
        yield f"{name} {installed.version(name) or 'not installed'}"


def plugins(registry: Registry) -> Iterator[str]:
    """Yield the plugins with their states, then everything with which doctor finds fault."""
    for plugin in registry.plugins:
        origin = _origin(registry.installed, plugin.distribution)
        yield f"{plugin.label}{origin}: {plugin.state}, {1000 * plugin.seconds:.0f} ms"
    for check in all_checks(registry):
        if check.state != "ok":
            yield f"{check.state}: {check.name}: {check.detail}"


def slow_imports() -> Iterator[str]:
    """Build the registry in a fresh process, and yield the imports that take longest."""
    # This process has imported everything already, so that nothing could be measured in it.
    code = "import matsciml_cli.app, matsciml_core; matsciml_core.build_registry(strict=False)"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    times = import_times(done.stderr)
    total = sum(seconds for seconds, _ in times)
    yield f"{1000 * total:.0f} ms for {len(times)} modules that every command imports"
    for seconds, name in sorted(times, reverse=True)[:MOST]:
        if seconds >= SLOW:
            yield f"{1000 * seconds:.0f} ms {name}"


def import_times(text: str) -> list[tuple[float, str]]:
    """Return time, s, and name of each import in what ``python -X importtime`` prints.

    A module's own time is meant, without what it imports in turn.
    """
    return [(int(own) / 1e6, name) for own, name in _IMPORT.findall(text)]  # printed in µs


def hardware() -> Iterator[str]:
    """Yield cores, load, threads, and the processor with the features that matter here."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield f"{usable} of {os.cpu_count()} cores can be used"
    if hasattr(os, "getloadavg"):
        yield f"{os.getloadavg()[0]:.1f} processes on average during the last minute"
    yield from (f"{name}={os.environ[name]}" for name in _THREADS if name in os.environ)
    if CPU_INFO.is_file():
        lines = (line.partition(":") for line in CPU_INFO.read_text(encoding="utf-8").splitlines())
        facts = {name.strip(): value.strip() for name, _, value in lines}
        yield facts.get("model name", platform.machine())
        # x86 calls them flags, ARM calls them features.
        flags = facts.get("flags", facts.get("Features", "")).split()
        yield f"features: {' '.join(sorted(filter(_FEATURES.fullmatch, flags))) or 'none of note'}"
    else:
        yield f"{platform.processor() or platform.machine()}; its features are not known here"
    if NVIDIA.is_file():
        yield NVIDIA.read_text(encoding="utf-8").splitlines()[0]


def torch_build() -> Iterator[str]:
    """Yield how torch was built, read from its files without importing it."""
    spec = find_spec("torch")
    file = None if spec is None or spec.origin is None else Path(spec.origin).parent / "version.py"
    if file is None or not file.is_file():
        yield "not installed"
        return
    facts = dict(_BUILD.findall(file.read_text(encoding="utf-8")))
    yield ", ".join(f"{name} {value}" for name, value in facts.items())
    yield "not imported; --import-torch shows its build and its devices"


def imported_torch() -> Iterator[str]:
    """Import torch, and yield its build and its devices."""
    try:
        import torch
    except Exception as error:  # a broken build raises whatever its loader does
        yield f"cannot be imported: {type(error).__name__}: {error}"
        return
    yield f"version {torch.__version__}"
    yield f"{torch.get_num_threads()} threads, {torch.get_num_interop_threads()} between operations"
    devices = range(torch.cuda.device_count())
    names = [torch.cuda.get_device_name(device) for device in devices]
    yield f"CUDA devices: {', '.join(names) or 'none'}"
    yield from torch.__config__.show().strip().splitlines()


def _origin(installed: InstalledVersions, distribution: str) -> str:
    is_editable = installed.direct_url(distribution).get("dir_info", {}).get("editable")
    return " (editable)" if is_editable else ""
