import shutil
import subprocess

import pytest

from cotgen.errors import RecipeError
from cotgen.scheduling.times import Times


@pytest.mark.parametrize(
    ("cron", "calendar"),
    [
        ("0 2 * * *", ["*-*-* 02:00:00"]),
        ("*/20 8-10 * * *", ["*-*-* 08,09,10:00,20,40:00"]),
        ("5 0 1 */6 *", ["*-01,07-01 00:05:00"]),
        ("30 22 * * mon-fri", ["Mon,Tue,Wed,Thu,Fri *-*-* 22:30:00"]),
        ("0 4 * * 7", ["Sun *-*-* 04:00:00"]),
        # Both kinds of day: cron takes either, unless one of the fields begins with a star.
        ("0 4 13 * 5", ["*-*-13 04:00:00", "Fri *-*-* 04:00:00"]),
        (
            "0 4 */2 12 5",
            ["Fri *-12-" + ",".join(f"{d:02}" for d in range(1, 32, 2)) + " 04:00:00"],
        ),
        ("@daily", ["*-*-* 00:00:00"]),
    ],
)
def test_systemd_is_told_the_same_times(cron: str, calendar: list[str]) -> None:
    assert Times.read(cron).calendar() == calendar
    if shutil.which("systemd-analyze"):
        for line in calendar:
            subprocess.run(["systemd-analyze", "calendar", line], check=True, capture_output=True)


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "0 2 * *",
        "0 2 * * * *",
        "0 25 * * *",
        "x 2 * * *",
        "0 2 L * *",
        "0 2 * * 5#2",
        "@reboot",
    ],
)
def test_what_cron_does_not_take_is_refused(cron: str) -> None:
    with pytest.raises(RecipeError, match="write five fields"):
        Times.read(cron)
