"""Write the quickstart's datasets for `train_with_trl.py`: make_datasets.py FOLDER."""

from __future__ import annotations

import sys
from hashlib import blake2b
from pathlib import Path

import msgspec

import cotgen
from cotgen import Recipe, load_recipe, parse_recipe, run
from cotgen.records import Rewarded, Step
from cotgen.runs import Run, shape_of

ROOT = Path(__file__).parents[2]
TINY = Path(cotgen.__file__).parent / "teachers/tiny"
MORE = (
    {"kind": "kto"},
    {"kind": "rm"},
    {"kind": "rm", "name": "rm-margin", "margin": "rewards"},
    {"kind": "cpt"},
    {"kind": "prm"},
)


def main(folder: Path) -> None:
    """Run the quickstart on 20 problems, with a dataset for each of TRL's trainers.

    The rewards of steps are toys, 0, ½ or 1 by the step's text: what matters is that they arrive.
    """
    recipe = load_recipe(ROOT / "recipes/quickstart.yaml", ["problems.limit=20"], "trl")
    settings = recipe.settings()
    settings["datasets"] += MORE
    for dataset in settings["datasets"]:
        dataset["tokenizer"] = str(TINY)
    made = parse_recipe(settings)
    run(made, outputs=folder, until="verify")
    reward(made, folder / made.name)
    summary = run(made, outputs=folder)
    assert all(summary.rows.values()), f"an empty dataset proves nothing: {summary.rows}"


def reward(recipe: Recipe, folder: Path) -> None:
    """Give every attempt's steps rewards, as an import would."""
    with Run(shape_of(recipe), folder, write=False) as made:
        rewarded = [
            Rewarded(item.id, item.inputs, tuple(map(toy, item.attempt().steps)), "toy")
            for problem in made.problems.lines()
            for item in made.judgeable(problem)
        ]
    lines = b"".join(msgspec.json.encode(line) + b"\n" for line in rewarded)
    (folder / "rewards.jsonl").write_bytes(lines)


def toy(step: Step) -> float:
    """One of three values, the same for the same text."""
    return (0.0, 0.5, 1.0, 1.0)[blake2b(step.text.encode()).digest()[0] % 4]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
