"""``matsciml doctor --report``: what a report of a bug should say about the machine, as one block.

Nothing that is looked at is imported, with the exception of torch where the user asks for it.
"""

from __future__ import annotations

import ast
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from matsciml_cli._checks import all_checks
from matsciml_core import __version__
from matsciml_core.registry.installed import CORE
from matsciml_core.registry.manager import Registry
from matsciml_core.registry.requirements import applicable

SLOW = 0.005
"""Time, s, from which on an import is listed."""
MOST = 12
"""Imports that are listed, the slowest ones."""

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OMP_WAIT_POLICY")
_FEATURES = re.compile(r"f16c|fma|avx\w*|amx_\w+|asimd\w*|bf16|i8mm|sve\w*")
"""Flags that decide how fast, and in which precision, a processor multiplies matrices."""
_CPU_INFO = Path("/proc/cpuinfo")
_NVIDIA = Path("/proc/driver/nvidia/version")
_IMPORT = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \|( +)(\S+)")


def bug_report(registry: Registry, *, import_torch: bool = False) -> str:
    """Return versions, plugins, slow imports and the hardware as text, without personal paths.

    Args:
        registry: The registry, built without ``strict``.
        import_torch: Whether torch may be imported, to say what only it can tell.
    """
    sections = {
        "versions": _versions(registry),
        "plugins": _plugins(registry),
        "problems": _problems(registry),
        "slow imports": _slow_imports(),
        "threads": _threads(),
        "processor": _processor(),
        "torch": _imported_torch() if import_torch else _torch(),
    }
    lines = [
        line for title, section in sections.items() for line in (f"{title}:", *_indented(section))
    ]
    return without_personal_paths("\n".join(lines))


def without_personal_paths(text: str, *, home: Path | None = None) -> str:
    """Write ``~`` for the user's home folder, and ``<env>`` for the environment's.

    >>> without_personal_paths("/home/ada/x, /home/adam, /opt/home/ada", home=Path("/home/ada"))
    '~/x, /home/adam, /opt/home/ada'
    """
    folders = {sys.prefix: "<env>", str(home or Path.home()): "~"}
    for folder, word in folders.items():
        if len(folder) > 1:  # in a container, home may be the root of all paths
            text = re.sub(rf"(?<![\w.~/-]){re.escape(folder)}(?![\w-]|\.\w)", word, text)
    return text


def _indented(lines: Iterator[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines)


def _versions(registry: Registry) -> Iterator[str]:
    yield f"{CORE} {__version__}{_origin(registry, CORE)}"
    yield f"python {platform.python_version()} ({platform.python_implementation()})"
    yield f"platform {platform.platform()}"
    for name, _ in applicable(sorted(registry.installed.requires(CORE) or (), key=str.lower)):
        yield f"{name} {registry.installed.version(name) or 'not installed'}"


def _plugins(registry: Registry) -> Iterator[str]:
    for plugin in registry.plugins:
        yield f"{plugin.label}{_origin(registry, plugin.distribution)}: {plugin.state}"


def _problems(registry: Registry) -> Iterator[str]:
    problems = [check for check in all_checks(registry) if check.state != "ok"]
    for check in problems:
        yield f"{check.name}: {check.detail} ({check.state})"
    if not problems:
        yield "none"


def _origin(registry: Registry, distribution: str) -> str:
    is_editable = registry.installed.direct_url(distribution).get("dir_info", {}).get("editable")
    return " (editable)" if is_editable else ""


def _slow_imports() -> Iterator[str]:
    """Start the registry in a fresh process, and yield the imports that take longest."""
    code = "import matsciml_cli.app, matsciml_core; matsciml_core.build_registry(strict=False)"
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    times = parse_import_times(done.stderr)
    total = sum(seconds for seconds, _ in times)
    yield f"{1000 * total:.0f} ms for {len(times)} modules that every command imports"
    for seconds, name in sorted(times, reverse=True)[:MOST]:
        if seconds >= SLOW:
            yield f"{1000 * seconds:.0f} ms {name}"


def parse_import_times(text: str) -> list[tuple[float, str]]:
    """Return time, s, and name of each import in what ``python -X importtime`` prints.

    A module's own time is meant, without what it imports in turn.
    """
    return [(int(own) / 1e6, name) for own, _, _, name in _IMPORT.findall(text)]


def _threads() -> Iterator[str]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield f"{usable} of {os.cpu_count()} cores can be used"
    if hasattr(os, "getloadavg"):
        yield f"{os.getloadavg()[0]:.1f} processes on average during the last minute"
    yield from (f"{name}={os.environ[name]}" for name in _THREADS if name in os.environ)


def _processor() -> Iterator[str]:
    if not _CPU_INFO.is_file():
        yield f"{platform.processor() or platform.machine()}; its features are not known here"
        return
    pairs = (line.partition(":") for line in _CPU_INFO.read_text(encoding="utf-8").splitlines())
    facts = {name.strip(): value.strip() for name, _, value in pairs}
    yield facts.get("model name", platform.machine())
    flags = facts.get("flags", facts.get("Features", "")).split()
    yield f"features: {' '.join(sorted(filter(_FEATURES.fullmatch, flags))) or 'none of note'}"
    if _NVIDIA.is_file():
        yield _NVIDIA.read_text(encoding="utf-8").splitlines()[0]


def _torch() -> Iterator[str]:
    """Read how torch was built from the source of its module of versions."""
    spec = find_spec("torch")
    file = None if spec is None or spec.origin is None else Path(spec.origin).parent / "version.py"
    if file is None or not file.is_file():
        yield "not installed" if spec is None else "its build is not known without importing it"
        return
    facts = _assignments(file.read_text(encoding="utf-8"), ("__version__", "cuda", "hip", "debug"))
    yield ", ".join(f"{name.strip('_')} {value}" for name, value in facts.items())
    yield "not imported; --import-torch shows its build and its devices"


def _assignments(source: str, names: Sequence[str]) -> Mapping[str, Any]:
    """Return the literals that a module assigns to names, without running it."""
    facts = {}
    for node in ast.parse(source).body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and target.id in names and isinstance(value, ast.Constant):
            facts[target.id] = value.value
    return facts


def _imported_torch() -> Iterator[str]:
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
