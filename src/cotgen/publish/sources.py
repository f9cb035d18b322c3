"""Whose data the rows are made from: licences, and rows that must never be published."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from cotgen.errors import RecipeError, StoreError
from cotgen.publish.files import Origin, Publication
from cotgen.store.lines import UNREADABLE

# The Hub's names for licences that let others have the data, with conditions or without.
_OPEN = frozenset({
    "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd", "bsd-2-clause",
    "bsd-3-clause", "bsl-1.0", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0",
    "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cdla-permissive-1.0",
    "cdla-permissive-2.0", "cdla-sharing-1.0", "ecl-2.0", "epl-1.0", "epl-2.0", "eupl-1.1",
    "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "isc", "lgpl", "lgpl-2.1", "lgpl-3.0", "mit",
    "mpl-2.0", "ncsa", "odbl", "odc-by", "pddl", "postgresql", "unlicense", "wtfpl", "zlib",
})  # fmt: skip
_OTHER_NAMES = {
    "apache": "apache-2.0", "cc0": "cc0-1.0", "odbl-1.0": "odbl", "odc-by-1.0": "odc-by",
    "pddl-1.0": "pddl", "the-unlicense": "unlicense", "mit-license": "mit",
}  # fmt: skip
_FORBIDDING = ("-nd", "no-derivatives", "noderivatives", "proprietary", "all-rights-reserved",
               "no-redistribution", "research-only", "confidential")  # fmt: skip


class Source(NamedTuple):
    """Where problems came from, under which licence (as the source states it), in how many rows."""

    source: str
    license: str
    rows: int


def read_sources(publication: Publication, *, allow_test: bool = False) -> list[Source]:
    """Count rows by source and licence. Raises RecipeError for a row of a test split."""
    counts: Counter[tuple[str, str]] = Counter()
    for config in publication.configs:
        before = counts.total()
        for path in (publication.datasets / name for name in config.origins):
            for number, origin in _origins(path):
                if origin.split == "test" and not allow_test:
                    raise RecipeError(
                        f"{path}: row {number} is of a test split, which is never published"
                    )
                counts[origin.source, origin.license] += 1
        if counts.total() - before != config.all_rows:
            raise StoreError(
                f"{publication.datasets}: {config.name} has {config.all_rows:,} rows, but the "
                f"origin of {counts.total() - before:,}; run it again: "
                f"cotgen run {publication.folder}"
            )
    return [Source(*key, rows) for key, rows in sorted(counts.items())]


def _origins(path: Path) -> Iterator[tuple[int, Origin]]:
    with path.open("rb") as file:
        for number, line in enumerate(file):
            try:
                yield number, _ORIGIN.decode(line)
            except UNREADABLE as error:
                raise StoreError(f"{path}: row {number} cannot be read ({error})") from error


_ORIGIN = msgspec.json.Decoder(Origin)


def refuse_licences(publication: Publication, sources: list[Source]) -> None:
    """Raise RecipeError if a source's licence is unknown or keeps others from having its data."""
    bad = {source: why for source in sources if (why := _objection(source.license))}
    if bad:
        lines = "\n".join(
            f"  {source.source or 'a source without a name'}: {why}; {source.rows:,} rows, "
            f"the first is {_first_row(publication, source)}"
            for source, why in bad.items()
        )
        raise RecipeError(
            f"the licence of a source does not let its data be published:\n{lines}\n"
            "State the licence in the recipe (problems.license), leave the source out, or, if you "
            "have the right, say so with --accept-licences"
        )


def _objection(license: str) -> str:
    stated = license.strip().lower().replace(" ", "-")
    if any(word in stated for word in _FORBIDDING):
        return f"its licence ({license[:80]!r}) forbids it"
    if hub_licence(license) == "unknown":
        return "its licence is unknown"
    if hub_licence(license) == "other":
        return f"its licence ({license[:80]!r}) is not known to allow it"
    return ""


def _first_row(publication: Publication, source: Source) -> str:
    for name in (name for config in publication.configs for name in config.origins):
        for number, origin in _origins(publication.datasets / name):
            if (origin.source, origin.license) == source[:2]:
                return f"{name}, row {number}"
    return "gone"


def hub_licence(license: str) -> str:
    """The Hub's name for a licence: `unknown` if none is stated, `other` if it knows no name."""
    stated = license.strip().lower().replace(" ", "-")
    for ending in ("-only", "-or-later"):
        stated = stated.removesuffix(ending)
    stated = _OTHER_NAMES.get(stated, stated)
    if stated in ("", "unknown", "none", "null", "n/a"):
        return "unknown"
    return stated if stated in _OPEN else "other"
