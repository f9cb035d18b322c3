"""A dataset repository on the Hub: what it holds, and one commit that makes it hold a run.

Everything is done by asking first: what is there, what differs. So trying again after a lost
connection, and running again after a kill, are the same thing, and neither sends a file twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from cotgen.errors import CotgenError, HubError, RecipeError
from cotgen.publish.files import CARD, VERSION
from cotgen.publish.markdown import visible

log = logging.getLogger(__name__)

T = TypeVar("T")
Data = Path | bytes
"""A file's content: on the disk, or made for the purpose."""

_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
_TIMEOUT_S = 120.0
# 412: somebody else's commit came between our look and our commit. 409: an operation in progress.
_PASSING = {408, 409, 412, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529}
_READ_AT_ONCE = 1 << 20


class Held(NamedTuple):
    """A branch as it was found: its commit, and a digest of each file."""

    commit: str
    files: dict[str, str]


class Sent(NamedTuple):
    """What a push did: the files it sent and deleted, and where they can be seen."""

    files: list[str]
    deleted: list[str]
    unchanged: int
    address: str


class Destination(NamedTuple):
    """Where a push goes; `private`: a repository that it makes is shown to nobody else."""

    repo: str
    revision: str = "main"
    private: bool = False


class Patience(NamedTuple):
    """How long a request may hang, and how long to wait after each failure in turn."""

    timeout_s: float = _TIMEOUT_S
    pauses_s: tuple[float, ...] = _PAUSES_S


class Remote:
    """One branch of a dataset repository. The token is found where the Hub's library looks."""

    def __init__(self, destination: Destination, patience: Patience) -> None:
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.utils import HFValidationError, validate_repo_id

        repo = destination.repo
        try:
            validate_repo_id(repo)
        except HFValidationError:
            raise RecipeError(f"--repo {visible(repo)}: write organisation/name") from None
        if repo.count("/") != 1:
            raise RecipeError(f"--repo {visible(repo)}: write organisation/name")
        self._token = get_token()
        if not self._token:
            raise RecipeError("no token for the Hub: set HF_TOKEN, or log in with: hf auth login")
        self.repo = repo
        self.revision = destination.revision
        self._private = destination.private
        self._patience = patience
        self._failures = (OSError, RuntimeError, ValueError, _http_error())
        self._api = HfApi(token=self._token, library_name="cotgen", library_version=VERSION)
        _limit_waiting(self._patience.timeout_s)

    def lasting(self, act: Callable[[], T]) -> T:
        """Do something that may be done again, until it succeeds or hope is lost."""
        for pause_s in (*self._patience.pauses_s, None):
            try:
                return act()
            except CotgenError:
                raise
            except self._failures as error:
                failure = _Failure.of(error)
                said = self.without_token(failure.said)
                if not failure.passing:
                    raise RecipeError(f"{self.repo}: {said}") from None
                if pause_s is None:
                    raise HubError(
                        f"{self.repo}: {said}. Nothing that arrived is lost; run again to go on"
                    ) from None
                pause_s = max(pause_s, failure.wait_s)
                log.warning("%s: %s; trying again in %.0f s", self.repo, said, pause_s)
            time.sleep(pause_s)
        raise AssertionError("the last try returns or raises")

    def without_token(self, text: str) -> str:
        """A message that can be shown, whatever the server has put into it."""
        return visible(" ".join(text.replace(self._token, "[token]").split()))[:500].rstrip(".")

    def ensure(self) -> None:
        """See to it that repository and branch are there. What exists is not changed."""
        from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

        try:
            info = self._info(None)
            if self._private and not info.private:
                raise RecipeError(
                    f"{self.repo} is there already and public: --private would not hide it. Make "
                    "it private on the Hub, or choose another --repo"
                )
        except RepositoryNotFoundError as error:
            if error.response.status_code == HTTPStatus.UNAUTHORIZED:
                raise
            visibility = {"private": True} if self._private else {}
            self._api.create_repo(self.repo, repo_type="dataset", exist_ok=True, **visibility)
        if self.revision == "main":
            return
        try:
            self._info(self.revision)
        except RevisionNotFoundError:
            self._api.create_branch(
                self.repo, branch=self.revision, repo_type="dataset", exist_ok=True
            )

    def _info(self, revision: str | None) -> Any:
        return self._api.dataset_info(
            self.repo, revision=revision, timeout=self._patience.timeout_s
        )

    def held(self) -> Held:
        """What the branch holds now."""
        from huggingface_hub.hf_api import RepoFile

        commit = self._info(self.revision).sha
        tree = self._api.list_repo_tree(
            self.repo, recursive=True, revision=commit, repo_type="dataset"
        )
        return Held(
            commit,
            {
                each.path: f"sha256:{each.lfs.sha256}" if each.lfs else f"git:{each.blob_id}"
                for each in tree
                if isinstance(each, RepoFile)
            },
        )

    def card(self, held: Held) -> str:
        """The card that the branch holds; empty if it has none."""
        if CARD not in held.files:
            return ""
        with tempfile.TemporaryDirectory() as folder:
            path = self._api.hf_hub_download(
                self.repo, CARD, repo_type="dataset", revision=held.commit, cache_dir=folder
            )
            return Path(path).read_text(encoding="utf-8", errors="replace")

    def commit(self, held: Held, files: dict[str, Data], deleted: list[str], message: str) -> Sent:
        """Bring the files there in one commit: those that are not there as they are here."""
        from huggingface_hub import CommitOperationAdd, CommitOperationDelete

        changed = [path for path, data in files.items() if not _same(data, held.files.get(path))]
        address = f"{self._api.endpoint}/datasets/{self.repo}"
        sent = Sent(changed, deleted, len(files) - len(changed), f"{address}/tree/{self.revision}")
        if not changed and not deleted:
            return sent
        additions = [CommitOperationAdd(path, _content(files[path])) for path in changed]
        deletions = [CommitOperationDelete(path) for path in deleted]
        self._api.create_commit(
            self.repo,
            [*additions, *deletions],
            commit_message=message,
            repo_type="dataset",
            revision=self.revision,
            parent_commit=held.commit,
        )
        return sent


def _content(data: Data) -> str | bytes:
    return data if isinstance(data, bytes) else str(data)


def _same(data: Data, digest: str | None) -> bool:
    """Whether a file is what the Hub says it holds: LFS names its SHA-256, Git hashes its blob."""
    if digest is None:
        return False
    algorithm, _, value = digest.partition(":")
    if algorithm == "sha256":
        found = hashlib.sha256()
    else:
        size = len(data) if isinstance(data, bytes) else data.stat().st_size
        found = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    if isinstance(data, bytes):
        found.update(data)
    else:
        with data.open("rb") as file:
            while chunk := file.read(_READ_AT_ONCE):
                found.update(chunk)
    return found.hexdigest() == value


class _Failure(NamedTuple):
    """What went wrong, whether it may go better next time, and the wait that was asked for."""

    said: str
    passing: bool
    wait_s: float = 0.0

    @staticmethod
    def of(error: BaseException) -> _Failure:
        """Read an exception of the Hub's library, or what it was raised from."""
        from huggingface_hub.errors import (
            HfHubHTTPError,
            LocalEntryNotFoundError,
            OfflineModeIsEnabled,
        )

        if isinstance(error, OfflineModeIsEnabled):
            return _Failure("HF_HUB_OFFLINE is set: nothing can be sent", passing=False)
        if isinstance(error, HfHubHTTPError):
            return _answered(error)
        name = type(error).__name__
        if isinstance(error, json.JSONDecodeError | _http_error()):
            return _Failure(f"{name}: {error}", passing=True)
        if isinstance(error, LocalEntryNotFoundError | RuntimeError) and error.__cause__:
            return _Failure.of(error.__cause__)
        # The Xet client raises RuntimeError and OSError of its own for what the network did.
        local = isinstance(error, FileNotFoundError | PermissionError | ValueError)
        local = local and not isinstance(error, LocalEntryNotFoundError)
        return _Failure(f"{name}: {error}", passing=not local)


def _answered(error: Any) -> _Failure:
    response = getattr(error, "response", None)
    status = response.status_code if response is not None else 0
    if status == HTTPStatus.UNAUTHORIZED:
        return _Failure("the Hub does not accept the token (401)", passing=False)
    if status == HTTPStatus.FORBIDDEN:
        return _Failure(f"the token may not write there (403): {error}", passing=False)
    asked = response.headers.get("retry-after", "") if response is not None else ""
    wait_s = float(asked) if asked.isdigit() else 0.0
    return _Failure(f"{error}", status in _PASSING or status == 0, min(wait_s, 600.0))


def _http_error() -> type[Exception]:
    """The root of all that the Hub's HTTP client raises; which client differs by version."""
    from huggingface_hub import errors

    root: type[Exception] = errors.HTTPError
    return root


def _limit_waiting(timeout_s: float) -> None:
    """Give every request that states none a time limit: the library's client waits for ever."""
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils._http import default_client_factory

    def limit(request: Any) -> None:
        stated = request.extensions.get("timeout", {})
        limits = dict.fromkeys(("connect", "read", "write", "pool"), timeout_s)
        request.extensions["timeout"] = limits | {k: v for k, v in stated.items() if v is not None}

    def client() -> Any:
        made = default_client_factory()
        made.event_hooks = {**made.event_hooks, "request": [*made.event_hooks["request"], limit]}
        return made

    set_client_factory(client)


def be_quiet(*, bars: bool) -> None:
    """Leave the telling to cotgen: the library's own lines quote addresses that are signed."""
    from huggingface_hub.utils import disable_progress_bars
    from huggingface_hub.utils import logging as library

    library.set_verbosity_error()
    if not bars and "HF_HUB_DISABLE_PROGRESS_BARS" not in os.environ:
        disable_progress_bars()
