"""From a finished run to the Hub: what is sent, what is refused, the card, the push."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cotgen.errors import RecipeError
from cotgen.publish.card import FrontMatter, body, front_matter, look_at
from cotgen.publish.files import CARD, Publication, read_publication, size_of
from cotgen.publish.merging import card, merged
from cotgen.publish.remote import Data, Destination, Patience, Remote, Sent, be_quiet
from cotgen.publish.secrets import named_secrets, secret_in, secrets_in_rows
from cotgen.publish.sources import read_sources, refuse_licences
from cotgen.store import RunFolder, replace_file

__all__ = ["Destination", "Parcel", "Patience", "Sent", "be_quiet", "pack", "push", "write_card"]

_SHOWN_SECRETS = 10
_HERE = "."
"""The folder of the card, to `load_dataset`."""


class Parcel(NamedTuple):
    """A run that may be published, with its card."""

    publication: Publication
    front: FrontMatter
    text: str

    @property
    def card(self) -> str:
        """The card as it would be in a repository that has none."""
        return card(self.front, self.text)

    def sizes(self) -> dict[str, int]:
        """Every file that is sent and how large it is."""
        files: dict[str, Data] = {**self.publication.files(), CARD: self.card.encode()}
        return {path: size_of(data) for path, data in sorted(files.items())}


def pack(folder: Path, repo: str, *, accept_licences: bool = False) -> Parcel:
    """Read a run and make its card, touching nothing.

    Raises RecipeError for what must not be published: secrets, rows of a test split, and, unless
    accepted, problems under a licence that is unknown or forbids it.
    """
    publication = read_publication(folder)
    sources = read_sources(publication)
    if not accept_licences:
        refuse_licences(publication, sources)
    looks = {config.name: look_at(publication, config) for config in publication.configs}
    front = front_matter(publication, sources, looks)
    parcel = Parcel(publication, front, body(publication, sources, looks, repo))
    _refuse_secrets(parcel)
    return parcel


def write_card(folder: Path) -> None:
    """Leave the card of a finished run beside its datasets, where it tells `load_dataset` which
    configs and splits there are. Nothing is refused, for nothing is published."""
    publication = read_publication(folder)
    sources = read_sources(publication, allow_test=True)
    looks = {config.name: look_at(publication, config) for config in publication.configs}
    front = front_matter(publication, sources, looks)
    text = card(front, body(publication, sources, looks, _HERE))
    replace_file(publication.datasets / CARD, text.encode())


def push(
    folder: Path,
    destination: Destination,
    *,
    accept_licences: bool = False,
    patience: Patience | None = None,
) -> Sent:
    """Bring a run's datasets to the Hub in one commit, and leave its card beside them.

    Files that are there already are not sent again. Raises RecipeError, RunLocked, and HubError
    if the Hub failed each time.
    """
    with RunFolder(_existing(folder)).locked():
        parcel = pack(folder, destination.repo, accept_licences=accept_licences)
        remote = Remote(destination, patience or Patience())
        remote.lasting(remote.ensure)
        sent = remote.lasting(lambda: _sent(parcel, remote))
        replace_file(parcel.publication.datasets / CARD, parcel.card.encode())
    return sent


def _sent(parcel: Parcel, remote: Remote) -> Sent:
    """Look what is there, and commit what differs. Can be done again at any time."""
    publication, held = parcel.publication, remote.held()
    local = publication.files()
    deleted = publication.outdated(held.files)
    staying = (held.files.keys() | local.keys()) - set(deleted)
    text = merged(parcel.front, parcel.text, remote.card(held), staying)
    files: dict[str, Data] = {**local, CARD: text.encode()}
    name = publication.summary.name or publication.folder.name
    return remote.commit(held, files, deleted, f"The datasets of {name}, made with cotgen")


def _existing(folder: Path) -> Path:
    if not (folder / "recipe.yaml").exists():
        raise RecipeError(f"{folder} is not the folder of a run")
    return folder


def _refuse_secrets(parcel: Parcel) -> None:
    found: list[str] = []
    for place in _secrets(parcel):
        found.append(place)
        if len(found) == _SHOWN_SECRETS:
            break
    if found:
        more = ", and perhaps more" if len(found) == _SHOWN_SECRETS else ""
        lines = "\n".join(f"  {place}" for place in found)
        raise RecipeError(
            f"nothing is published while secrets are in it{more}:\n{lines}\n"
            "Revoke them, and leave the problems out that they stand in"
        )


def _secrets(parcel: Parcel) -> Iterator[str]:
    """Where secrets are, never what they are."""
    publication = parcel.publication
    own = named_secrets(publication.recipe)
    rows = {*publication.row_files()}
    for name, data in publication.files().items():
        if name in rows and isinstance(data, Path):
            for row, kind in secrets_in_rows(data, own):
                yield f"{data}: row {row} holds {kind}"
        else:
            text = (data if isinstance(data, bytes) else data.read_bytes()).decode(errors="replace")
            for number, line in enumerate(text.splitlines(), 1):
                if kind := secret_in(line, own):
                    yield f"{publication.folder / name}: line {number} holds {kind}"
    if kind := secret_in(parcel.card, own):
        yield f"{CARD} (made from the above): it holds {kind}"
