"""A CronJob for Kubernetes, with the recipe in a ConfigMap and the runs on a volume."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from cotgen.errors import RecipeError
from cotgen.scheduling.job import Job

_WORK = "/work"
_START_WITHIN_S = 3600
"""A start that is later than this is left out. Without it, Kubernetes gives up for good after a
hundred missed starts."""


def manifests(job: Job, recipe: Path, image: str) -> str:
    """YAML for `kubectl apply -f -`. `image` has cotgen and the recipe's data in it.

    A Secret and a PersistentVolumeClaim are named, not made: those are the user's.

    Raises RecipeError for a name that Kubernetes does not take.
    """
    name = f"cotgen-{job.name}".lower().replace("_", "-").replace(".", "-")
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", name):
        raise RecipeError(f"{name}: Kubernetes takes names of at most 52 letters, digits and -")
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": {"recipe.yaml": _Text(recipe.read_text(encoding="utf-8"))},
    }
    cron_job = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name},
        "spec": {
            "schedule": job.times.text,
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _START_WITHIN_S,
            "jobTemplate": {
                # Running again is the next start's work: it goes on where this one stopped.
                "spec": {"backoffLimit": 0, "template": {"spec": _pod(name, job, image)}}
            },
        },
    }
    return "---\n".join(
        yaml.dump(each, Dumper=_Yaml, sort_keys=False) for each in (config, cron_job)
    )


def _pod(name: str, job: Job, image: str) -> dict[str, object]:
    command = ["cotgen", "run", f"{_WORK}/recipe/recipe.yaml", "--outputs", f"{_WORK}/outputs"]
    command += ["--quiet", *job.options]
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": job.stop_s,
        "containers": [
            {
                "name": "cotgen",
                "image": image,
                "command": command,
                "workingDir": _WORK,
                "envFrom": [{"secretRef": {"name": name, "optional": True}}],
                "volumeMounts": [
                    {"name": "recipe", "mountPath": f"{_WORK}/recipe", "readOnly": True},
                    {"name": "outputs", "mountPath": f"{_WORK}/outputs"},
                ],
            }
        ],
        "volumes": [
            {"name": "recipe", "configMap": {"name": name}},
            {"name": "outputs", "persistentVolumeClaim": {"claimName": f"{name}-outputs"}},
        ],
    }


class _Text(str):
    """A text of many lines, to be written as it stands."""


class _Yaml(yaml.SafeDumper):
    """Writes a `_Text` as a block."""


_Yaml.add_representer(
    _Text, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|")
)
