"""cotgen makes long chain-of-thought training data.

In Python: `from cotgen import load_recipe, run`, then `run(load_recipe(Path("recipe.yaml")))`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cotgen.pipeline import run, run_async
    from cotgen.recipe import Recipe, load_recipe, parse_recipe
    from cotgen.summary import Summary

__all__ = ["Recipe", "Summary", "load_recipe", "parse_recipe", "run", "run_async"]

_HOMES = {
    "Recipe": "cotgen.recipe",
    "Summary": "cotgen.summary",
    "load_recipe": "cotgen.recipe",
    "parse_recipe": "cotgen.recipe",
    "run": "cotgen.pipeline",
    "run_async": "cotgen.pipeline",
}


def __getattr__(name: str) -> object:
    """Import on first use: the command line must answer before pydantic and sympy are loaded."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'cotgen' has no attribute {name!r}")
