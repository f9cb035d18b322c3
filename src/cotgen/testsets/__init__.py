"""Questions of public test sets, known by digest: they are test data whatever a file says.

The `.digests` files hold sorted 8-byte digests and no text; `tools/testset_digests.py` makes them.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from importlib import resources

DIGEST_BYTES = 8
_SUFFIX = ".digests"


def test_set_of(question: str) -> str:
    """The name of the test set that holds this question; empty if none that is known does."""
    digest = digest_of(question)
    return next((name for name, digests in _sets().items() if digest in digests), "")


def test_set_names() -> list[str]:
    """The test sets that are known."""
    return sorted(_sets())


def digest_of(question: str) -> bytes:
    """A digest of the question's letters and digits: spacing, case and marks do not count."""
    letters = "".join(character for character in question.casefold() if character.isalnum())
    return blake2b(letters.encode("utf-8", "replace"), digest_size=DIGEST_BYTES).digest()


@cache
def _sets() -> dict[str, frozenset[bytes]]:
    files = (file for file in resources.files(__name__).iterdir() if file.name.endswith(_SUFFIX))
    return {file.name.removesuffix(_SUFFIX): _read(file.read_bytes()) for file in files}


def _read(data: bytes) -> frozenset[bytes]:
    return frozenset(
        data[start : start + DIGEST_BYTES] for start in range(0, len(data), DIGEST_BYTES)
    )
