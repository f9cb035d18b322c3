"""What is printed for cron, systemd and Kubernetes."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import SCRIPTED
from typer.testing import CliRunner

from cotgen.cli import app
from cotgen.errors import RecipeError, ScheduleError
from cotgen.recipe import load_recipe
from cotgen.scheduling import Job, Times, crontab, job_of, manifests, systemd


@pytest.fixture
def job(in_tmp: Path) -> Job:
    """A job with everything that needs quoting."""
    (in_tmp / "it's 100% mine").mkdir()
    recipe = in_tmp / "it's 100% mine" / "r.yaml"
    shutil.copy(SCRIPTED, recipe)
    keys = in_tmp / "keys.env"
    keys.write_text("KEY=x\n")
    keys.chmod(0o600)
    times = Times.read("0 2 * * *")
    return job_of(load_recipe(recipe), recipe, times, keys, sets=["search.n=2"])


def test_a_crontab_entry_has_absolute_paths_and_no_bare_percent(job: Job, in_tmp: Path) -> None:
    line = crontab.shown(job)
    assert line.startswith(f"0 2 * * * cd {in_tmp} && /")
    assert "%" not in line.replace("\\%", "")
    assert line.endswith(" --dated --set search.n=2 # cotgen:scripted\n")
    # What /bin/sh makes of it once cron has taken the backslashes away.
    command = (
        line.split("&&", 1)[1]
        .split(" # ")[0]
        .replace("\\%", "%")
        .replace("/bin/python -m cotgen", "/bin/echo")
    )
    said = subprocess.run(
        ["sh", "-c", f"set -- {command}; printf '%s\\n' \"$@\""],
        capture_output=True,
        text=True,
        check=True,
    )
    assert str(job.recipe) in said.stdout.split("\n")


def test_units_pass_systemds_own_check(job: Job, in_tmp: Path) -> None:
    for name, text in systemd.units(job).items():
        (in_tmp / name).write_text(text)
    assert "Persistent=true" in (in_tmp / "cotgen-scripted.timer").read_text()
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    units = sorted(map(str, in_tmp.glob("cotgen-*")))
    command = ["systemd-analyze", "verify", "--user", "--man=no", *units]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert [line for line in checked.stderr.split("\n") if "cotgen-" in line] == []


def test_a_cron_job_forbids_two_at_once_and_holds_the_recipe(job: Job) -> None:
    config, cron_job = yaml.safe_load_all(manifests(job, job.recipe, "cotgen:1"))
    assert config["data"]["recipe.yaml"] == job.recipe.read_text()
    assert cron_job["spec"]["concurrencyPolicy"] == "Forbid"
    assert cron_job["spec"]["schedule"] == "0 2 * * *"
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["containers"][0]["command"][-3:] == ["--dated", "--set", "search.n=2"]


def test_schedulers_wait_longer_than_requests_in_flight_are_awaited(job: Job) -> None:
    patient = load_recipe(job.recipe, ["limits.grace_s=299.5"])
    slow = job_of(patient, job.recipe, job.times)
    assert (job.stop_s, slow.stop_s) == (60, 335)
    assert "TimeoutStopSec=335\n" in systemd.units(slow)["cotgen-scripted.service"]
    _, cron_job = yaml.safe_load_all(manifests(slow, slow.recipe, "cotgen:1"))
    pod = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 335


def test_a_manifest_is_printed_only(job: Job) -> None:
    for order in ("--install", "--remove", "--list"):
        done = CliRunner().invoke(
            app,
            ["schedule", str(job.recipe), "--at", "0 2 * * *", "--kubernetes", "cotgen:1", order],
        )
        assert done.exit_code == 2
        assert "kubectl" in done.output


def test_a_key_file_that_others_can_read_is_refused(in_tmp: Path) -> None:
    keys = in_tmp / "keys.env"
    keys.write_text("KEY=x\n")
    keys.chmod(0o644)
    with pytest.raises(RecipeError, match="chmod 600"):
        job_of(load_recipe(SCRIPTED), SCRIPTED, Times.read("0 2 * * *"), keys)


def test_a_path_with_a_line_break_is_refused(in_tmp: Path) -> None:
    with pytest.raises(RecipeError, match="cannot hold this"):
        job_of(load_recipe(SCRIPTED), Path("a\nb.yaml"), Times.read("0 2 * * *"))


FAKE_CRONTAB = """#!/bin/sh
if [ "$1" = -l ]; then
    cat crontab.txt 2>/dev/null && exit
    echo "no crontab for me" >&2
    exit 1
fi
cat > new.txt
if grep -q bad new.txt; then echo "bad minute" >&2; exit 1; fi
mv new.txt crontab.txt
"""


@pytest.fixture
def crontab_file(in_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A crontab command that keeps its file in the current folder."""
    command = in_tmp / "bin" / "crontab"
    command.parent.mkdir()
    command.write_text(FAKE_CRONTAB)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}:/usr/bin:/bin")
    return in_tmp / "crontab.txt"


OTHERS = "MAILTO=me\n# cotgen:scripted is below\n0 1 * * * other # mine\n"


def test_installing_again_replaces_and_removing_leaves_what_others_wrote(
    crontab_file: Path, job: Job
) -> None:
    crontab_file.write_text(OTHERS)
    assert crontab.install(job).startswith("added")
    assert crontab.install(job).startswith("replaced")
    assert crontab_file.read_text() == OTHERS + crontab.shown(job)
    assert crontab.installed() == [crontab.shown(job).rstrip("\n")]
    crontab.remove("scripted")
    assert crontab_file.read_text() == OTHERS
    with pytest.raises(RecipeError, match="no entry of cotgen for scripted"):
        crontab.remove("scripted")


def test_the_first_entry_makes_the_crontab(crontab_file: Path, job: Job) -> None:
    assert crontab.installed() == []
    crontab.install(job)
    assert crontab_file.read_text() == crontab.shown(job)


def test_what_crontab_refuses_is_told(crontab_file: Path, job: Job) -> None:
    crontab_file.write_text("bad\n")
    with pytest.raises(ScheduleError, match="crontab refused: bad minute"):
        crontab.install(job)
    assert crontab_file.read_text() == "bad\n"


def test_without_cron_the_other_ways_are_named(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ScheduleError, match="--systemd or --kubernetes"):
        crontab.install(job)
