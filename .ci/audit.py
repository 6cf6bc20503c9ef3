"""Asks whether anything that ``constraints.txt`` pins has a known vulnerability.

``make audit`` runs it, with pip-audit. It looks at the pins rather than at what is installed: no
service knows the version of a build such as torch 2.13.0+cpu, and whoever installs this project by
its pins gets what was looked at.

Users may have other versions. Where a lower bound of ours stands for a fault that was fixed, the
oldest release that it allows is looked up, too.

Exit codes: 0 where nothing was found, or nobody could be asked, which says nothing about the code;
1 where something was found that ``.ci/advisories.toml`` does not judge; 2 where pip-audit or a
file of ours is broken.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PINS = HERE.parent / "constraints.txt"
ADVISORIES = HERE / "advisories.toml"
PROJECT = HERE.parent / "pyproject.toml"
BOUNDED = ("torch", "pytorch-lightning", "filelock")
"""Packages whose lower bound in ``pyproject.toml`` stands for a fault in older releases."""
LIMIT = 50.0
"""Seconds that the whole audit may take."""
PIP_AUDIT = (sys.executable, "-m", "pip_audit")
OPTIONS = (
    *("--no-deps", "--disable-pip"),  # the pins are all there is to look up
    *("--format", "json", "--output", "-", "--aliases", "on", "--desc", "off"),
    *("--progress-spinner", "off", "--timeout", "10"),
)
NETWORK = re.compile(
    # pip-audit catches a connection that times out, and dies of every other one.
    r"(requests|urllib3)\.exceptions\.|ServiceError|Could not connect|redirecting properly|"
    r"your network may be blocking"
)
"""What the last line of pip-audit's complaint says where the network is at fault."""


class BrokenAuditError(Exception):
    """Nothing can be said, and the network is not to blame."""


class UnreachableError(Exception):
    """The service that knows vulnerabilities did not answer."""


@dataclass(frozen=True)
class Judgement:
    """An advisory that somebody has looked at."""

    id: str
    package: str
    date: datetime.date
    reason: str


@dataclass(frozen=True)
class Finding:
    """A vulnerability of a pinned version."""

    package: str
    version: str
    names: tuple[str, ...]
    mended_in: tuple[str, ...]

    def __str__(self) -> str:
        """Say what is wrong, and what helps."""
        advice = f"pin {' or '.join(self.mended_in)}" if self.mended_in else "no release mends it"
        return f"{self.package} {self.version}: {', '.join(self.names)}; {advice}"

    def is_judged_by(self, judgement: Judgement) -> bool:
        """Return whether a judgement is about this vulnerability, by any of its names."""
        return judgement.package == self.package and judgement.id in self.names


@dataclass(frozen=True)
class Answer:
    """What the service says about the pins."""

    audited: int
    unknown: tuple[str, ...]
    findings: tuple[Finding, ...]

    def with_oldest(self, answer: Answer) -> Answer:
        """Add what is said of the oldest releases that users may have."""
        return replace(
            self,
            unknown=(*self.unknown, *(f"{name}, oldest allowed" for name in answer.unknown)),
            findings=(*self.findings, *answer.findings),
        )


def main() -> int:
    """Audit, print what came out, and return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pins", type=Path, default=PINS)
    parser.add_argument("--advisories", type=Path, default=ADVISORIES)
    given = parser.parse_args()
    return audit(given.pins, given.advisories, oldest=oldest_allowed(PROJECT))


def audit(
    pins: Path,
    advisories: Path,
    command: Sequence[str] = PIP_AUDIT,
    limit: float = LIMIT,
    *,
    oldest: Sequence[str] = (),
) -> int:
    """Audit, print what came out, and return the exit code.

    Args:
        pins: File with a pinned version per line.
        advisories: File with the advisories that were judged.
        command: What to run as pip-audit.
        limit: Seconds that it may take.
        oldest: Further pins, of the oldest releases that users may have.
    """
    try:
        judged = read_judgements(advisories)
        answer = ask([*command, *OPTIONS, "--requirement", str(pins)], limit)
        if oldest:
            answer = answer.with_oldest(ask_about(oldest, command, limit))
    except UnreachableError as error:
        print(f"Known vulnerabilities were not looked up: {error}")
        return 0
    except BrokenAuditError as error:
        print(error, file=sys.stderr)
        return 2
    return report(answer, judged)


def read_judgements(file: Path) -> list[Judgement]:
    """Read the advisories that were judged.

    Raises:
        BrokenAuditError: An entry lacks something, or has it in the wrong form.
    """
    try:
        entries = tomllib.loads(file.read_text("utf-8")).get("judged", [])
        judged = [Judgement(**entry) for entry in entries]
    except (OSError, TypeError, tomllib.TOMLDecodeError) as error:
        raise BrokenAuditError(f"'{file}' cannot be read: {error}.") from error
    for one in judged:
        if type(one.date) is not datetime.date or not one.reason.strip():
            raise BrokenAuditError(f"'{file}' gives no date or no reason for {one.id}.")
    return judged


def oldest_allowed(project: Path, names: Sequence[str] = BOUNDED) -> list[str]:
    """Return pins of the oldest releases that a project allows of some packages.

    Raises:
        BrokenAuditError: A package has no lower bound.
    """
    lines = tomllib.loads(project.read_text("utf-8"))["project"]["dependencies"]
    pins = []
    for name in names:
        found = [re.match(rf"{re.escape(name)}\s*>=\s*([\d.]+)", line) for line in lines]
        bounds = [one[1] for one in found if one]
        if len(bounds) != 1:
            raise BrokenAuditError(f"'{project}' has no lower bound of {name}.")
        parts = bounds[0].split(".")
        # Services know a release by its full number.
        pins.append(f"{name}=={'.'.join([*parts, '0', '0'][: max(3, len(parts))])}")
    return pins


def ask_about(pins: Sequence[str], command: Sequence[str], limit: float) -> Answer:
    """Run pip-audit on some pins; as for :func:`ask`."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "oldest.txt"
        file.write_text("\n".join(pins), "utf-8")
        return ask([*command, *OPTIONS, "--requirement", str(file)], limit)


def ask(command: Sequence[str], limit: float) -> Answer:
    """Run pip-audit and read its answer.

    Raises:
        UnreachableError: The service could not be asked, or knows nothing, as a proxy does.
        BrokenAuditError: pip-audit fails for another reason.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(f"the service did not answer within {limit:g} seconds.") from error
    lines = done.stderr.strip().splitlines() or [f"it exits with {done.returncode}"]
    try:
        answer = read_answer(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError) as error:
        if NETWORK.search(lines[-1]):
            raise UnreachableError(f"{lines[-1].strip()}") from error
        complaint = "\n".join(lines)
        raise BrokenAuditError(f"pip-audit cannot do its work:\n{complaint}") from error
    if not answer.audited:
        raise UnreachableError(
            "the service knows none of the pinned packages, so that something else answered for it."
        )
    return answer


def read_answer(answer: dict[str, Any]) -> Answer:
    """Read pip-audit's JSON."""
    known = [one for one in answer["dependencies"] if "skip_reason" not in one]
    return Answer(
        audited=len(known),
        unknown=tuple(one["name"] for one in answer["dependencies"] if "skip_reason" in one),
        findings=tuple(
            Finding(
                package=one["name"],
                version=one["version"],
                names=(found["id"], *found["aliases"]),
                mended_in=tuple(found["fix_versions"]),
            )
            for one in known
            for found in one["vulns"]
        ),
    )


def report(answer: Answer, judged: Sequence[Judgement]) -> int:
    """Print what was found, and return the exit code."""
    open_ones = [one for one in answer.findings if not any(map(one.is_judged_by, judged))]
    for one in judged:
        if not any(found.is_judged_by(one) for found in answer.findings):
            print(f"Nothing is found any more for {one.id} of {one.package}; remove the judgement.")
    if answer.unknown:
        print(f"The service does not know {', '.join(answer.unknown)}.")
    looked_up = f"{answer.audited} pinned packages were looked up"
    closed = len(answer.findings) - len(open_ones)
    if not open_ones:
        print(f"{looked_up}: no known vulnerability{f' but {closed} judged' if closed else ''}.")
        return 0
    print(f"{looked_up}, and these have known vulnerabilities:", file=sys.stderr)
    for found in open_ones:
        print(f"  {found}", file=sys.stderr)
    print(
        "Raise pins in constraints.txt or lower bounds in pyproject.toml, or judge them in "
        ".ci/advisories.toml.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
