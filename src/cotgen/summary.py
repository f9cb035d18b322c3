"""A run's numbers: everything that a run prints is in `summary.json`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal, get_args

import msgspec

from cotgen.limits import used
from cotgen.recipe import Recipe
from cotgen.records import Outcome
from cotgen.runs import Run
from cotgen.store import replace_file
from cotgen.store.journal import Spent
from cotgen.store.lines import UNREADABLE

State = Literal["", "complete", "failed", "unfinished", "limit", "stopped", "error"]

_SHOWN_REASONS = 5


class Dropped(msgspec.Struct):
    """What a filter dropped: whole problems, attempts (those of such problems included), and how
    many decisions had which reason."""

    problems: int = 0
    attempts: int = 0
    reasons: dict[str, int] = {}


class Summary(msgspec.Struct):
    """What came out, at every stage.

    `tokens` and `cost_usd` count every completion that was paid for, used or not, and are sums over
    the journal; `unaccounted` are requests that may have been billed though no answer came back (a
    timeout, a cut line), which no journal can know the tokens of. `seconds` add up
    over all runs that did work. `set_aside` are wrong attempts that chains and pairs leave out:
    repeated texts, and texts that equal a correct attempt up to white space. `refused` counts rows
    by dataset and reason. `distance` is the mean edit distance, in characters, from a correct
    attempt to the nearest wrong one, over the chains that have one; `nearly_equal` counts those at
    a distance of 1 or 0, `forced_without_wrong` the chains whose problem has no wrong attempt to
    show. `filtered` is what each filter dropped, absent without filters: the counts before it are
    of all attempts, those of chains and `set_aside` of what was left. `unverifiable` holds the
    commonest reasons of verdicts without a decision, `failed` what
    the next run will try again, by stage, and `reasons` the commonest errors among them. `state` is
    how the last start ended, and `said` why, if it ended before all was done; a start that was
    killed leaves those of the one before.
    """

    name: str = ""
    problems: int = 0
    solved: int = 0
    attempts: int = 0
    verdicts: dict[Outcome, int] = {}
    unverifiable: dict[str, int] = {}
    filtered: dict[str, Dropped] | msgspec.UnsetType = msgspec.UNSET
    chains: int = 0
    wrong_in_chains: int = 0
    chains_by_wrong: dict[int, int] = {}
    forced_without_wrong: int = 0
    set_aside: int = 0
    distance: float = 0.0
    nearly_equal: int = 0
    rows: dict[str, int] = {}
    refused: dict[str, dict[str, int]] = {}
    bad_lines: int = 0
    duplicate_problems: int = 0
    failed: dict[str, int] = {}
    reasons: dict[str, int] = {}
    tokens: int = 0
    prompt_tokens: int = 0
    cost_usd: float = 0.0
    unaccounted: int = 0
    seconds: dict[str, float] = {}
    state: State = ""
    said: str = ""


def read_summary(folder: Path) -> Summary:
    """The summary of an earlier run; an empty one if there is none or it was damaged."""
    try:
        return msgspec.json.decode((folder / "summary.json").read_bytes(), type=Summary)
    except (OSError, *UNREADABLE):
        return Summary()


def write_summary(folder: Path, summary: Summary) -> None:
    """Write `summary.json`."""
    data = msgspec.json.format(msgspec.json.encode(summary), indent=2)
    replace_file(folder / "summary.json", data + b"\n")


def count(run: Run, summary: Summary) -> None:
    """Fill in what the tables say, in one pass over the groups."""
    outcomes: Counter[Outcome] = Counter(dict.fromkeys(get_args(Outcome), 0))
    by_wrong: Counter[int] = Counter()
    undecided: Counter[str] = Counter()
    near, distance = 0, 0
    summary.problems = summary.solved = summary.attempts = summary.set_aside = 0
    summary.nearly_equal = summary.forced_without_wrong = 0
    for group in run.groups():
        summary.problems += 1
        summary.attempts += len(group.judged)
        here: Counter[Outcome] = Counter(
            judged.verdict.outcome for judged in group.judged if judged.verdict
        )
        outcomes.update(here)
        summary.solved += here["correct"] > 0
        if left := run.sieve.left(group):
            wrong = sum(1 for _ in left.having("incorrect"))
            summary.set_aside += wrong - len(left.contrasting())
        undecided.update(
            judged.verdict.reason for judged in group.having("unverifiable") if judged.verdict
        )
        by_wrong.update(chain.wrong for chain in group.chains)
        distances = [chain.distance for chain in group.chains if chain.nearest]
        near, distance = near + len(distances), distance + sum(distances)
        summary.nearly_equal += sum(each <= 1 for each in distances)
        summary.forced_without_wrong += len(group.chains) - len(distances)
    summary.verdicts = dict(outcomes)
    summary.unverifiable = dict(undecided.most_common(_SHOWN_REASONS))
    summary.chains = by_wrong.total()
    summary.wrong_in_chains = sum(wrong * chains for wrong, chains in by_wrong.items())
    summary.chains_by_wrong = dict(sorted(by_wrong.items()))
    summary.distance = round(distance / near, 1) if near else 0.0


def fail(run: Run, summary: Summary, growth_failed: int) -> None:
    """Fill in what failed and why. `growth_failed`: searches that have attempts but got no more."""
    summary.failed = {"search": run.attempts.failed + growth_failed}
    reasons = Counter(line.error for line in run.attempts.failures())
    summary.reasons = dict(reasons.most_common(_SHOWN_REASONS))


def spend(run: Run, recipe: Recipe, summary: Summary, journaled: dict[str, Spent]) -> None:
    """Fill in tokens and cost: from the journal for paid teachers, from attempts for the others."""
    spent = dict(journaled)
    free = {name for name, teacher in recipe.teachers.items() if not teacher.paid}
    for searched in run.attempts.lines() if free else ():
        if searched.teacher in free:
            each = spent.setdefault(searched.teacher, Spent())
            each.completions += len(searched.attempts)
            each.tokens += sum(attempt.origin.tokens for attempt in searched.attempts)
    summary.prompt_tokens = sum(each.prompt_tokens for each in spent.values())
    summary.tokens = summary.prompt_tokens + sum(each.tokens for each in spent.values())
    summary.cost_usd = cost_usd(recipe, journaled)


def spend_at_least(recipe: Recipe, summary: Summary, journaled: dict[str, Spent]) -> None:
    """As `spend`, without reading what teachers that cost nothing have written since."""
    prompts = sum(each.prompt_tokens for each in journaled.values())
    tokens = prompts + sum(each.tokens for each in journaled.values())
    summary.prompt_tokens = max(summary.prompt_tokens, prompts)
    summary.tokens = max(summary.tokens, tokens)
    summary.cost_usd = cost_usd(recipe, journaled)


def cost_usd(recipe: Recipe, spent: dict[str, Spent]) -> float:
    """What so many tokens cost at the recipe's prices. The sum is exact; as a float it keeps 15
    digits, which are a millionth of a cent of a million dollars."""
    return float(used(spent, recipe.prices).cost_usd)
