"""What is wrong with a request is said before anything is made."""

from __future__ import annotations

import re
import sys

import pytest

from matsciml_core.errors import ConfigError
from matsciml_tool_env.making import Request, make_environment


@pytest.fixture
def installed(tmp_path, monkeypatch, write_installed):
    """Install a plugin with an extra, and one of whose files nobody has a list."""
    site = tmp_path / "site"
    plugin = write_installed(site, "matsciml-theirs", requires=["matsciml", "x; extra == 'fast'"])
    with (plugin / "METADATA").open("a") as stream:
        stream.write("Provides-Extra: fast\n")
    write_installed(site, "matsciml-unlisted", requires=["matsciml"], record=False)
    monkeypatch.syspath_prepend(site)


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Write projects of which one asks for another extra of the plugin, beside the process."""
    for name, requires in (("mine", "'matsciml'"), ("asking", "'matsciml-theirs[slow]'")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(
            f"[project]\nname = '{name}'\nversion = '1'\ndependencies = [{requires}]\n"
        )
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("installed", "sources")
@pytest.mark.parametrize(
    ("requirement", "sentence"),
    [
        ("matsciml-theirs[slow]", "asks for the extra 'slow', but it has fast."),
        ("./mine[slow]", "asks for the extra 'slow', but it has none."),
        ("./asking", "'matsciml-theirs[slow]' asks for the extra 'slow', but it has fast."),
        ("matsciml-unlisted", "'matsciml-unlisted' runs from its sources"),
        ("./nothing", "There is no './nothing'"),
        ("two words", "is neither a requirement"),
    ],
)
def test_a_request_that_is_wrong_leaves_no_folder(data, requirement, sentence):
    request = Request(name="mine", requirements=[requirement], python=sys.executable)
    with pytest.raises(ConfigError, match=re.escape(sentence)):
        make_environment(request, lambda text: None)
    assert not data.exists()
