"""The dataset card: what the rows are, what was asked of whom, what came out, how to have it again.

For a person who decides whether to use the data, and for the Hub, which reads the YAML above it.
The same run gives the same bytes.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec import UNSET

from cotgen.publish.files import VERSION, Config, Publication
from cotgen.publish.markdown import fenced, inline, table
from cotgen.publish.rows import batches, lengths
from cotgen.publish.sources import Source, hub_licence
from cotgen.summary import Dropped, Summary

BEGIN, END = "<!-- cotgen: begin -->", "<!-- cotgen: end -->"
"""What stands between is made anew by each push; what people write around it stays."""

FrontMatter = dict[str, Any]

_SIZES = (("n<1K", 1e3), ("1K<n<10K", 1e4), ("10K<n<100K", 1e5), ("100K<n<1M", 1e6),
          ("1M<n<10M", 1e7), ("10M<n<100M", 1e8), ("100M<n<1B", 1e9))  # fmt: skip
_EXAMPLE_CHARACTERS = 1500
_BAR = 40


class Look(NamedTuple):
    """What a look through a dataset's rows shows: the first row, and rows by power of two of
    their length in characters."""

    example: dict[str, Any]
    by_length: dict[int, int]
    longest: int
    mean: float


def look_at(publication: Publication, config: Config) -> Look:
    """Read all rows of a dataset once."""
    example: dict[str, Any] = {}
    by_length: Counter[int] = Counter()
    longest = total = 0
    for files in config.splits.values():
        for name in files:
            for batch in batches(publication.datasets / name):
                example = example or batch.slice(0, 1).to_pylist()[0]
                found = [int(each) for each in lengths(batch)]
                by_length.update(max(each, 1).bit_length() - 1 for each in found)
                longest, total = max(longest, *found), total + sum(found)
    return Look(example, dict(sorted(by_length.items())), longest, total / config.all_rows)


def front_matter(
    publication: Publication, sources: list[Source], looks: dict[str, Look]
) -> FrontMatter:
    """What the Hub reads: configs and their files, licences, language, size, tags."""
    rows = sum(config.all_rows for config in publication.configs)
    licences = sorted({hub_licence(source.license) for source in sources})
    language = _languages(looks)
    return {
        "pretty_name": publication.summary.name or publication.folder.name,
        **({"language": language} if language else {}),
        "license": licences[0] if len(licences) == 1 else licences,
        "size_categories": [next((name for name, most in _SIZES if rows < most), "n>1B")],
        "task_categories": ["text-generation"],
        "tags": ["synthetic", "cotgen", "chain-of-thought", "reasoning"],
        "configs": [
            {
                "config_name": config.name,
                **({"default": True} if not number else {}),
                "data_files": [
                    {"split": split, "path": path} for split, path in config.patterns().items()
                ],
            }
            for number, config in enumerate(publication.configs)
        ],
    }


def body(publication: Publication, sources: list[Source], looks: dict[str, Look], repo: str) -> str:
    """The card's text, between its two marks."""
    parts = [
        BEGIN,
        f"# {inline(publication.summary.name or publication.folder.name)}",
        _opening(publication),
        *_loading(publication, repo),
        *_stages(publication),
        *_asked(publication),
        *_lengths(looks),
        *_examples(looks),
        *_licences(sources),
        *_again(publication),
        END,
    ]
    return "\n\n".join(parts) + "\n"


def _opening(publication: Publication) -> str:
    summary, teachers = publication.summary, publication.recipe.get("teachers") or {}
    models = [str(each.get("model") or name) for name, each in teachers.items()]
    rows = sum(config.all_rows for config in publication.configs)
    return (
        f"{rows:,} training rows with chains of thought, made from {summary.attempts:,} attempts "
        f"at {summary.problems:,} problems. Synthetic: written by "
        f"{_listed([f'**{inline(model)}**' for model in models])} and judged by a verifier "
        f"({inline(_kind(publication.recipe.get('verifier')))}), not by people. "
        f"Made with cotgen {VERSION}."
    )


def _loading(publication: Publication, repo: str) -> Iterator[str]:
    yield "## The datasets in it"
    yield table(
        ("config", "kind", "split", "rows", "columns"),
        (
            (config.name, _about(config), split, rows, ", ".join(_columns(publication, config)))
            for config in publication.configs
            for split, rows in config.rows.items()
        ),
    )
    first = publication.configs[0]
    code = (
        "from datasets import load_dataset\n\n"
        f'rows = load_dataset("{repo}", "{first.name}", split="{next(iter(first.rows))}")'
    )
    yield fenced(code, "python")
    yield (
        "Beside the rows, `*.origin.jsonl` says for each of them, in the same order, which problem "
        "and attempts it was made from, which teacher wrote them, how they were judged, and the "
        "problem's source and licence."
    )


def _columns(publication: Publication, config: Config) -> list[str]:
    first = next(iter(config.splits.values()))[0]
    return list(next(batches(publication.datasets / first)).schema.names)


def _about(config: Config) -> str:
    shown = {key: value for key, value in config.settings.items() if key not in ("kind", "name")}
    told = ", ".join(f"{key}: {value}" for key, value in shown.items())
    return f"{config.settings.get('kind', config.name)}{told and f' ({told})'}"[:120]


def _reasons(dropped: Dropped) -> str:
    return ", ".join(f"{times:,} {reason}" for reason, times in dropped.reasons.items())


def _stages(publication: Publication) -> Iterator[str]:
    summary = publication.summary
    yield "## What came out at every stage"
    solved = _share(summary.solved, summary.problems)
    rows: list[tuple[str, int, str]] = [
        ("problems", summary.problems, f"{summary.solved:,} ({solved}) with a correct attempt"),
        ("attempts", summary.attempts, _per(summary.attempts, summary.problems, "a problem")),
    ]
    rows += [
        (f"… {outcome}", count, f"{_share(count, summary.attempts)} of the attempts")
        for outcome, count in summary.verdicts.items()
    ]
    if summary.filtered is not UNSET:
        rows += [
            (f"… dropped by {name}", dropped.attempts, _reasons(dropped))
            for name, dropped in summary.filtered.items()
        ]
    if summary.chains:
        wrong = f"{summary.wrong_in_chains:,} wrong attempts shown in them"
        rows.append(("chains", summary.chains, wrong))
    rows += [
        (f"rows of {name}", count, _left_out(summary, name)) for name, count in summary.rows.items()
    ]
    yield table(("stage", "count", "of which"), rows)
    decided = summary.verdicts.get("correct", 0) + summary.verdicts.get("incorrect", 0)
    if decided:
        yield (
            f"Of the attempts that could be judged, {_share(summary.verdicts['correct'], decided)} "
            "are correct. Unverifiable and unfinished ones count as neither."
        )
    if summary.unverifiable:
        yield "The commonest reasons of verdicts without a decision:"
        yield table(("reason", "attempts"), summary.unverifiable.items())


def _left_out(summary: Summary, name: str) -> str:
    refused = summary.refused.get(name, {})
    told = ", ".join(f"{count:,} {reason}" for reason, count in refused.items())
    return f"left out: {told}" if told else ""


def _asked(publication: Publication) -> Iterator[str]:
    recipe = publication.recipe
    yield "## What was asked of whom"
    yield table(
        ("teacher", "kind", "model", "other settings"),
        (
            (name, _kind(each), each.get("model") or "–", _told(each, ("kind", "model")))
            for name, each in (recipe.get("teachers") or {}).items()
        ),
    )
    stages = [(name, recipe.get(name)) for name in ("problems", "search", "verifier")]
    stages += [("filter", each) for each in recipe.get("filters") or ()]
    stages.append(("chains", recipe.get("chains")))
    yield table(
        ("stage", "kind", "settings"),
        ((name, _kind(each), _told(each)) for name, each in stages if each),
    )
    yield "Prompt texts and every other setting stand in the recipe at the end."


_DULL = ("kind", "api_key_env", "base_url", "path")
_LONGEST_SETTING = 60


def _told(settings: dict[str, Any], but: tuple[str, ...] = ()) -> str:
    """Settings that fit a cell: short values, no addresses."""
    plain = {
        key: value
        for key, value in settings.items()
        if key not in (*but, *_DULL) and not isinstance(value, dict | list) and value is not None
    }
    told = (f"{key} {value}" for key, value in plain.items() if value != "")
    return ", ".join(each for each in told if len(each) <= _LONGEST_SETTING and "\n" not in each)


def _kind(settings: Any) -> str:
    return str(settings.get("kind", "?")) if isinstance(settings, dict) else "?"


def _lengths(looks: dict[str, Look]) -> Iterator[str]:
    yield "## How long the rows are"
    yield "Characters in all texts of a row, questions included."
    blocks = []
    for name, look in looks.items():
        most = max(look.by_length.values())
        lines = [f"{name}: {look.mean:,.0f} on average, at most {look.longest:,}"]
        for power in range(min(look.by_length), max(look.by_length) + 1):
            rows = look.by_length.get(power, 0)
            bar = "█" * round(_BAR * rows / most) or ("▏" if rows else "")
            lines.append(f"{1 << power:>9,} – {(2 << power) - 1:<9,} {rows:>9,}  {bar}".rstrip())
        blocks.append("\n".join(lines))
    yield fenced("\n\n".join(blocks))


def _examples(looks: dict[str, Look]) -> Iterator[str]:
    yield "## An example of each"
    yield "The first row, as it stands in the file."
    for name, look in looks.items():
        yield f"### {inline(name)}"
        yield fenced(_example(look.example))


def _example(row: dict[str, Any]) -> str:
    return "\n\n".join(f"── {column}\n{_shown(value)}" for column, value in row.items())


def _shown(value: object) -> str:
    if isinstance(value, list) and all(isinstance(each, dict) for each in value):
        return "\n".join(_shown(each) for each in value)
    if isinstance(value, dict) and {"role", "content"} <= set(value):
        rest = {key: each for key, each in value.items() if key not in ("role", "content")}
        return f"[{value['role']}]{f' {rest}' if rest else ''}\n{_shown(value['content'])}"
    text = str(value)
    cut = len(text) - _EXAMPLE_CHARACTERS
    return text if cut <= 0 else f"{text[:_EXAMPLE_CHARACTERS]}\n… and {cut:,} characters more"


def _licences(sources: list[Source]) -> Iterator[str]:
    yield "## Sources and licences"
    yield table(
        ("source", "licence", "rows"),
        ((each.source or "not named", each.license or "unknown", each.rows) for each in sources),
    )
    yield (
        "The rows quote the problems, so the licences of the sources apply to them. The terms of "
        "the teachers that wrote the attempts may say more about how their texts can be used."
    )


def _again(publication: Publication) -> Iterator[str]:
    yield "## How to make it again"
    code = f"pip install cotgen=={VERSION}\ncotgen run recipe.yaml"
    yield (
        "`recipe.yaml` of this repository is the resolved recipe, the same as below. How and where "
        "teachers were reached, limits and notifications are left out; they change no row."
    )
    yield fenced(code, "bash")
    yield (
        "Ids, seeds and the order of the rows follow from the recipe. The rows are the same byte "
        "for byte if the teachers answer the same, which hosted models do not promise."
    )
    text = fenced(publication.recipe_text, "yaml")
    yield f"<details><summary>The resolved recipe</summary>\n\n{text}\n\n</details>"


def _languages(looks: dict[str, Look]) -> list[str]:
    """`en` or `zh` where the examples say so; nothing is claimed of other languages."""
    text = " ".join(_example(look.example) for look in looks.values()).lower()
    words = re.findall(r"[a-zà-ÿ]+", text)
    common = sum(word in ("the", "of", "is", "and", "how", "what", "with") for word in words)
    chinese = len(re.findall(r"[\u4e00-\u9fff]", text)) > len(text) / 10
    return [*(["en"] if common * 20 > len(words) else []), *(["zh"] if chinese else [])]


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "–"


def _per(part: int, whole: int, of: str) -> str:
    return f"{part / whole:.1f} {of}" if whole else ""
