"""Make the digests by which cotgen knows the questions of a public test set.

    python tools/testset_digests.py gsm8k-test test.jsonl question

writes `src/cotgen/testsets/gsm8k-test.digests` from the column `question` of `test.jsonl`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cotgen.rows import lookup, read_rows
from cotgen.testsets import digest_of

FOLDER = Path(__file__).parents[1] / "src" / "cotgen" / "testsets"


def main() -> None:
    """Write one set."""
    name, path, column = sys.argv[1:]
    digests = {digest_of(lookup(row, column)) for _, row in read_rows(Path(path))}
    (FOLDER / f"{name}.digests").write_bytes(b"".join(sorted(digests)))


if __name__ == "__main__":
    main()
