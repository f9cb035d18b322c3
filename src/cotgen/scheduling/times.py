"""When to run: the five fields of cron, understood by croniter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from cotgen.errors import RecipeError

_DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_SHORTHANDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
_Field = list[int]
"""The values that a field allows; none: all."""


@dataclass(frozen=True)
class Times:
    """The minutes at which to run, on the machine's own clock."""

    text: str
    """Five fields, as cron takes them."""
    minutes: _Field
    hours: _Field
    days: _Field
    months: _Field
    weekdays: _Field

    @classmethod
    def read(cls, text: str) -> Self:
        """Understand `minute hour day month weekday`. Raises RecipeError."""
        from croniter import croniter
        from croniter.croniter import CroniterError

        fields = _SHORTHANDS.get(text.strip(), text).split()
        mistake = f'--at {text!r}: write five fields, as in --at "0 2 * * *" (every night at 2:00)'
        if len(fields) != 5:
            raise RecipeError(mistake)
        try:
            expanded, nth = croniter.expand(" ".join(fields))
        except (CroniterError, ValueError, KeyError) as error:
            raise RecipeError(f"{mistake}; {error}") from error
        plain = [_numbers(each) for each in expanded]
        if nth or any(value is None for value in plain):
            raise RecipeError(f"{mistake}; only numbers, names, lists, ranges and steps are known")
        minutes, hours, days, months, weekdays = (each or [] for each in plain)
        return cls(" ".join(fields), minutes, hours, days, months, weekdays)

    def calendar(self) -> list[str]:
        """The same for systemd's OnCalendar: two lines where cron takes either kind of day."""
        time = f"{_two(self.hours)}:{_two(self.minutes)}:00"
        months, days = _two(self.months), _two(self.days)
        weekdays = ",".join(_DAYS[day % 7] for day in self.weekdays)
        _, _, day_field, _, weekday_field = self.text.split()
        if self.days and self.weekdays and "*" not in day_field[0] + weekday_field[0]:
            # Only where both fields are restricted does cron take either kind of day.
            return [f"*-{months}-{days} {time}", f"{weekdays} *-{months}-* {time}"]
        return [f"{weekdays} *-{months}-{days} {time}".strip()]


def _numbers(values: Sequence[int | str]) -> _Field | None:
    if list(values) == ["*"]:
        return []
    numbers = [value for value in values if isinstance(value, int)]
    return sorted(set(numbers)) if len(numbers) == len(values) else None


def _two(values: _Field) -> str:
    return ",".join(f"{value:02}" for value in values) or "*"
