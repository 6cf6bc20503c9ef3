"""Sphinx settings; build with ``make docs``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_ext"))

# Tutorials run in a process of their own, which finds `matsciml` and the helpers of `_ext` in the
# environment that Sphinx runs in, activated or not.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["PYTHONPATH"] = str(HERE / "_ext")
os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # this environment's kernel, not one of the user's
os.environ["TUTORIAL_PREFIX"] = sys.prefix

from matsciml_core import __version__  # noqa: E402 - after the path is set

project = "MatSciML"
author = "The MatSciML contributors"
copyright = author
release = version = __version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "reference_pages",
    "executed_pages",
]
exclude_patterns = ["_build", "_ext", "reference/generated/parts"]
html_theme = "furo"
html_title = "MatSciML"
html_static_path = ["_static"]
html_css_files = ["wide.css"]
highlight_language = "python"

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3

# Executed at every build, never taken from a cache: prose that is not executed rots. These take
# more than half a minute each; a quick build shows their cells without output.
_LONG = (
    "add-a-strategy",
    "choose-how-to-train",
    "declare-a-label-of-your-own-shape",
    "fine-tune",
    "generate-crystals",
    "molecular-dynamics",
    "physics-of-a-force-model",
    "pretrained",
    "select",
    "sweep",
    "uncertainty",
    "use-a-model-outside-python",
    "wrap-a-pyg-model",
    "write-an-encoder",
)
nb_execution_mode = "force"
if os.environ.get("MATSCIML_DOCS") == "quick":
    nb_execution_excludepatterns = [f"*/{name}.md" for name in _LONG]
    suppress_warnings = ["myst-nb.lexer"]  # told by the kernel, which is not started for these
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_merge_streams = True

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "undoc-members": False}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
