"""cotgen makes long chain-of-thought training data.

In Python: `from cotgen import load_recipe, run`, then `run(load_recipe(Path("recipe.yaml")))`.
To judge an answer alone: `from cotgen import verify`, then `verify("1/2", "#### 0.5").outcome`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cotgen.pipeline import run, run_async
    from cotgen.recipe import Recipe, load_recipe, parse_recipe
    from cotgen.records import Verdict
    from cotgen.summary import Summary
    from cotgen.verifying import verify, verify_many

__all__ = [
    "Recipe",
    "Summary",
    "Verdict",
    "load_recipe",
    "parse_recipe",
    "run",
    "run_async",
    "verify",
    "verify_many",
]

_HOMES = {
    "Recipe": "cotgen.recipe",
    "Summary": "cotgen.summary",
    "Verdict": "cotgen.records",
    "load_recipe": "cotgen.recipe",
    "parse_recipe": "cotgen.recipe",
    "run": "cotgen.pipeline",
    "run_async": "cotgen.pipeline",
    "verify": "cotgen.verifying",
    "verify_many": "cotgen.verifying",
}


def __getattr__(name: str) -> object:
    """Import on first use: the command line must answer before pydantic and sympy are loaded."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'cotgen' has no attribute {name!r}")
