"""The file beside a dataset: what its rows are, and the settings that a trainer reads them with."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import get_type_hints

import yaml

from cotgen.datafiles import ROWS, SplitName, Stems
from cotgen.emitters.trainers import Facts, Shape
from cotgen.lengths import AROUND, Lengths
from cotgen.protocols import Emitter

DEFAULT_LENGTH = 1024
"""Where TRL cuts and verl stops if nothing else is said."""
CUT = "by default trainers cut them there and lose the answer"


def shape_of(emitter: Emitter) -> Shape | None:
    """The trainer's side of an emitter; a user's own need not have one."""
    shape = getattr(emitter, "shape", None)
    return shape if isinstance(shape, Shape) else None


def guide(
    emitter: Emitter, rows: Mapping[SplitName, int], stems: Stems, lengths: Lengths,
    labels: Counter[bool],
) -> str:  # fmt: skip
    """YAML that a trainer reads, under comments that a person reads."""
    shape, total = shape_of(emitter), sum(rows.values())
    lines = [
        f"{emitter.file_name}: {total:,} rows for {getattr(emitter, 'format', 'your own use')}."
    ]
    lines += list(_about_files(rows, stems))
    lines += [f"Columns: {', '.join(get_type_hints(emitter.columns))}."]
    lines += [f"To use it: {shape.advice}."] if shape and shape.advice else []
    if labels:
        of = "Labels to train on" if "validation" in rows else "Labels"
        lines.append(f"{of}: {labels[True]:,} true, {labels[False]:,} false.")
    lines += list(_about_length(emitter, lengths)) if total else []
    settings = {}
    if shape:
        settings = shape.settings(Facts(emitter.file_name, stems, lengths.recommended, labels))
    text = "".join(f"# {line}\n" for line in lines)
    return text + (yaml.safe_dump(settings, sort_keys=False) if settings else "")


def _about_files(rows: Mapping[SplitName, int], stems: Stems) -> Iterable[str]:
    """What is set aside, and how many files there are; one file goes without saying."""
    if "validation" in rows:
        yield (
            f"{rows['validation']:,} of them are for validation: all rows of some problems, the "
            f"same in every dataset ({', '.join(stems['validation'])})."
        )
        yield "Settings name them where the trainer reads such files; others take them in code."
    if len(stems["train"]) > 1:
        yield f"Rows to train on are in {len(stems['train'])} files."


def _about_length(emitter: Emitter, lengths: Lengths) -> Iterable[str]:
    yield (
        f"Tokens, with {_around(lengths)}: half of the rows have at most "
        f"{lengths.quantile(0.5):,}, 99% {lengths.quantile(0.99):,}, all {lengths.longest:,}."
    )
    if name := getattr(emitter, "tokenizer", None):
        yield f"They were counted with {PurePath(name).name if name[0] in '/~' else name}."
    else:
        yield "They are an estimate, characters / 4: the length recommended is twice as long."
        yield "Set `tokenizer` to have them counted."
    if above := lengths.share_above(DEFAULT_LENGTH):
        yield f"{above:.1%} of the rows are longer than {DEFAULT_LENGTH:,}: {CUT}."


def _around(lengths: Lengths) -> str:
    if lengths.around == AROUND:
        return f"{AROUND} a turn for the chat template"
    return f"{lengths.around} a step for its separator"


def dataset_info(emitters: Iterable[tuple[Emitter, Stems]]) -> bytes:
    """LLaMA-Factory's list of datasets, one for each file; empty if none of these is for it."""
    entries = {
        stem: {"file_name": f"{stem}{ROWS}", **shape.listed}
        for emitter, stems in emitters
        if (shape := shape_of(emitter)) and shape.listed
        for each in stems.values()
        for stem in each
    }
    return json.dumps(entries, indent=2).encode() + b"\n" if entries else b""
