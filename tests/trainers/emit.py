"""Write the quickstart's datasets for `train_with_trl.py`: emit.py FOLDER."""

from __future__ import annotations

import sys
from pathlib import Path

import cotgen
from cotgen import load_recipe, parse_recipe, run

ROOT = Path(__file__).parents[2]
TINY = Path(cotgen.__file__).parent / "teachers/tiny"
MORE = ("kto", "rm", "cpt")


def main(folder: Path) -> None:
    """Run the quickstart on 20 problems, with a dataset for each of TRL's trainers."""
    recipe = load_recipe(ROOT / "recipes/quickstart.yaml", ["problems.limit=20"], "trl")
    settings = recipe.settings()
    settings["datasets"] += [{"kind": kind} for kind in MORE]
    for dataset in settings["datasets"]:
        dataset["tokenizer"] = str(TINY)
    summary = run(parse_recipe(settings), outputs=folder)
    assert all(summary.rows.values()), f"an empty dataset proves nothing: {summary.rows}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
