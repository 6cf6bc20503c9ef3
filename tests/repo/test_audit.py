"""The audit of what is pinned, against stand-ins for pip-audit and for the service that it asks."""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
JUDGED = """
[[judged]]
id = "CVE-2026-1"
package = "leaky"
date = 2026-11-01
reason = "Nothing here calls it."
"""
HOLE = {"id": "PYSEC-2026-7", "aliases": ["CVE-2026-1"], "fix_versions": ["1.1"]}


@pytest.fixture(scope="module")
def audit():
    spec = spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    module = module_from_spec(spec)
    sys.modules["audit"] = module  # where dataclasses look for annotations
    spec.loader.exec_module(module)
    yield module
    del sys.modules["audit"]


@pytest.fixture
def run(audit, tmp_path):
    """Audit with a program in the place of pip-audit, given as source."""

    def audit_with(program: str, judged: str = "", limit: float = 30.0) -> int:
        (tmp_path / "advisories.toml").write_text(judged)
        command = [sys.executable, "-c", program]
        return audit.audit(tmp_path / "pins.txt", tmp_path / "advisories.toml", command, limit)

    return audit_with


def answering(*packages: dict, code: int = 0) -> str:
    """Return a program that prints what pip-audit would."""
    answer = json.dumps({"dependencies": packages, "fixes": []})
    return f"print({answer!r}); raise SystemExit({code})"


def failing(message: str, code: int = 1) -> str:
    """Return a program that complains and prints no answer."""
    return f"import sys; print({message!r}, file=sys.stderr); raise SystemExit({code})"


def package(name: str = "leaky", *holes: dict) -> dict:
    return {"name": name, "version": "1.0", "vulns": list(holes)}


def test_nothing_is_found(run, capsys):
    assert run(answering(package(), package("tight"))) == 0
    assert capsys.readouterr().out == (
        "2 pinned packages were looked up: no known vulnerability.\n"
    )


def test_a_vulnerability_fails_and_says_what_mends_it(run, capsys):
    assert run(answering(package("leaky", HOLE), code=1)) == 1
    error = capsys.readouterr().err
    assert "  leaky 1.0: PYSEC-2026-7, CVE-2026-1; pin 1.1\n" in error


def test_a_vulnerability_that_no_release_mends(run, capsys):
    assert run(answering(package("leaky", HOLE | {"fix_versions": []}), code=1)) == 1
    assert "no release mends it" in capsys.readouterr().err


def test_a_judged_vulnerability_does_not_fail(run, capsys):
    assert run(answering(package("leaky", HOLE), code=1), JUDGED) == 0
    assert "no known vulnerability but 1 judged" in capsys.readouterr().out


def test_a_judgement_is_about_one_package(run):
    assert run(answering(package("other", HOLE), code=1), JUDGED) == 1


def test_a_judgement_is_about_one_vulnerability(run, capsys):
    other = {"id": "PYSEC-2026-8", "aliases": [], "fix_versions": []}
    assert run(answering(package("leaky", HOLE, other), code=1), JUDGED) == 1
    error = capsys.readouterr().err
    assert "PYSEC-2026-8" in error
    assert "PYSEC-2026-7" not in error


def test_a_judgement_that_is_no_longer_needed_is_named(run, capsys):
    assert run(answering(package()), JUDGED) == 0
    assert "Nothing is found any more for CVE-2026-1 of leaky" in capsys.readouterr().out


@pytest.mark.parametrize(
    "complaint",
    [
        "Traceback\nrequests.exceptions.ConnectionError: Max retries exceeded (getaddrinfo failed)",
        "requests.exceptions.JSONDecodeError: Expecting value: line 1 column 1 (char 0)",
        "pip_audit._service.interface.ServiceError",
        "ERROR:pip_audit._cli:Tip: your network may be blocking this service. Try another",
    ],
)
def test_a_service_that_cannot_be_reached_fails_nothing(run, capsys, complaint):
    assert run(failing(complaint)) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Known vulnerabilities were not looked up: ")
    assert out.count("\n") == 1
    assert not err


def test_a_service_that_does_not_answer_in_time_fails_nothing(run, capsys):
    begin = time.monotonic()
    assert run("import time; time.sleep(60)", limit=1.0) == 0
    assert time.monotonic() - begin < 30
    assert "did not answer within 1 seconds" in capsys.readouterr().out


def test_a_proxy_that_knows_nothing_is_no_clean_bill(run, capsys):
    skipped = {"name": "leaky", "skip_reason": "Dependency not found on PyPI"}
    assert run(answering(skipped)) == 0
    assert "knows none of the pinned packages" in capsys.readouterr().out


def test_what_the_service_does_not_know_is_said(run, capsys):
    skipped = {"name": "homemade", "skip_reason": "Dependency not found on PyPI"}
    assert run(answering(package(), skipped)) == 0
    assert "The service does not know homemade." in capsys.readouterr().out


@pytest.mark.parametrize(
    "program",
    [
        failing("pip-audit: error: unrecognized arguments: --aliases", 2),
        failing("No module named pip_audit"),
        "raise SystemExit(0)",
        "print('[]')",
    ],
)
def test_a_broken_audit_fails(run, capsys, program):
    assert run(program) == 2
    assert "pip-audit cannot do its work" in capsys.readouterr().err


@pytest.mark.parametrize(
    "judged",
    [
        "[[judged]]\nid = 'CVE-2026-1'\n",
        JUDGED.replace("Nothing here calls it.", " "),
        JUDGED.replace("2026-11-01", "'yesterday'"),
        "[[judged",
    ],
)
def test_a_judgement_without_reason_or_date_is_refused(run, capsys, judged):
    assert run(answering(package()), judged) == 2
    assert "advisories.toml'" in capsys.readouterr().err


def test_our_judgements_are_whole(audit):
    for one in audit.read_judgements(audit.ADVISORIES):
        assert len(one.reason.split()) > 4


def test_continuous_integration_runs_it():
    assert "\nmake audit\n" in (ROOT / ".ci" / "run").read_text("utf-8")


class Service(BaseHTTPRequestHandler):
    """Stands in for OSV: every package is sound but `leaky`."""

    def do_POST(self) -> None:
        """Answer one query."""
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = query["package"]["name"]
        self.server.asked.append((name, query["version"]))
        hole = {
            "id": "GHSA-0000-0000-0000",
            "aliases": ["CVE-2026-1"],
            "affected": [
                {
                    "package": {"name": name, "ecosystem": "PyPI"},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"fixed": "1.1"}]}],
                }
            ],
        }
        body = json.dumps({"vulns": [hole]} if name == "leaky" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Print nothing."""


@pytest.fixture
def service(monkeypatch, tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", f"http://127.0.0.1:{server.server_port}/v1/query")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def real(audit, tmp_path):
    """Audit with the real pip-audit."""
    pytest.importorskip("pip_audit", reason="pip-audit is missing: pip install -e '.[lint]'")
    judged = tmp_path / "advisories.toml"
    judged.write_text(JUDGED)

    def audit_pins(text: str) -> int:
        (tmp_path / "pins.txt").write_text(text)
        return audit.audit(tmp_path / "pins.txt", judged)

    return audit_pins


def test_the_real_program_reads_our_pins(real, service, capsys):
    text = (ROOT / "constraints.txt").read_text("utf-8")
    assert real(text) == 0
    pins = [line.split("==") for line in text.splitlines() if "==" in line and line[0] != "#"]
    assert len(service.asked) == len(pins) > 100
    assert ("torch", "2.13.0") in service.asked
    assert f"{len(pins)} pinned packages were looked up" in capsys.readouterr().out


def test_the_real_program_finds_a_vulnerability(audit, real, service, tmp_path, capsys):
    assert real("tight==1.0\nleaky==1.0\n") == 0
    assert "but 1 judged" in capsys.readouterr().out
    (tmp_path / "advisories.toml").write_text("")
    assert audit.audit(tmp_path / "pins.txt", tmp_path / "advisories.toml") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "leaky" in line]
    assert "GHSA-0000-0000-0000" in line
    assert "CVE-2026-1" in line
    assert line.endswith("; pin 1.1")


@pytest.mark.parametrize("which", ["osv", "pypi"])
def test_the_real_program_without_a_network(real, service, monkeypatch, capsys, which):
    """A proxy at a port where nobody listens is as good as no network."""
    service.shutdown()
    service.server_close()
    nowhere = f"http://127.0.0.1:{service.server_port}"
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", which)
    monkeypatch.setenv("HTTPS_PROXY", nowhere)
    monkeypatch.setenv("https_proxy", nowhere)
    assert real("tight==1.0\n") == 0
    assert "were not looked up" in capsys.readouterr().out


def test_the_oldest_releases_that_are_allowed_are_looked_up(audit, tmp_path, capsys):
    """Pins are sound, and a lower bound allows a release that is not."""
    (tmp_path / "pins.txt").write_text("leaky==2.0\n")
    (tmp_path / "advisories.toml").write_text("")
    sound = {"dependencies": [package("leaky")], "fixes": []}
    holed = {"dependencies": [package("leaky", HOLE)], "fixes": []}
    program = (
        "import sys, pathlib\n"
        "text = pathlib.Path(sys.argv[-1]).read_text()\n"
        f"print({json.dumps(holed)!r} if '==1.0' in text else {json.dumps(sound)!r})"
    )
    given = (tmp_path / "pins.txt", tmp_path / "advisories.toml", [sys.executable, "-c", program])
    assert audit.audit(*given, oldest=["leaky==2.0"]) == 0
    assert audit.audit(*given, oldest=["leaky==1.0"]) == 1
    assert "leaky 1.0: PYSEC-2026-7" in capsys.readouterr().err


def test_lower_bounds_are_those_of_the_project(audit, tmp_path):
    torch, lightning, _ = audit.oldest_allowed(ROOT / "pyproject.toml")
    assert tuple(map(int, torch.removeprefix("torch==").split("."))) >= (2, 10, 0)
    version = lightning.removeprefix("pytorch-lightning==")
    assert tuple(map(int, version.split("."))) >= (2, 6, 6)
    loose = tmp_path / "pyproject.toml"
    loose.write_text('[project]\ndependencies = ["torch"]\n')
    with pytest.raises(audit.BrokenAuditError, match="no lower bound of torch"):
        audit.oldest_allowed(loose)
