"""Whether everything is there that a run needs: this machine, and what the teachers can do."""

from __future__ import annotations

import importlib.metadata as installed
import os
import platform
import resource
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec

from cotgen.errors import CotgenError
from cotgen.protocols import Finding, Request, Teacher
from cotgen.recipe import Recipe
from cotgen.records import Problem

_PACKAGES = ("openai", "aiohttp", "datasets", "sympy", "rapidfuzz", "msgspec", "pydantic")
_OPTIONAL = ("torch", "transformers", "vllm", "trl", "ray")
_LEAST_FREE_GB, _LEAST_FILES = 2.0, 4096


def machine(outputs: Path) -> Iterator[Finding]:
    """This machine: versions, disk, file descriptors, cores."""
    yield Finding("cotgen", "yes", installed.version("cotgen"))
    yield Finding("Python", "yes", f"{platform.python_version()} on {platform.platform()}")
    yield Finding("cores", "yes", str(len(os.sched_getaffinity(0))))
    for package in (*_PACKAGES, *_OPTIONAL):
        yield _package(package)
    yield _disk(outputs)
    yield _files()
    yield _sandbox()


def _package(name: str) -> Finding:
    try:
        return Finding(name, "yes", installed.version(name))
    except installed.PackageNotFoundError:
        if name in _PACKAGES:
            return Finding(name, "no", "not installed: install cotgen again")
        return Finding(name, "unknown", "not installed (optional)")


def _disk(outputs: Path) -> Finding:
    folder = next(each for each in (outputs.resolve(), *outputs.resolve().parents) if each.exists())
    free_gb = shutil.disk_usage(folder).free / 1e9
    if not os.access(folder, os.W_OK):
        return Finding("disk", "no", f"{folder} cannot be written")
    enough = free_gb >= _LEAST_FREE_GB
    return Finding("disk", "yes" if enough else "no", f"{free_gb:,.1f} GB free at {folder}")


def _files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= _LEAST_FILES
    said = f"{soft:,} open files, can be raised to {hard:,}"
    return Finding("file descriptors", "yes" if enough else "no", said)


def _sandbox() -> Finding:
    """What `verifier: {kind: code}` would run programs in."""
    from cotgen.sandbox.tiers import NoSandbox, choose

    try:
        return Finding("sandbox for programs", "yes", choose("auto"))
    except NoSandbox as error:
        return Finding("sandbox for programs", "unknown", str(error))


async def teachers(recipe: Recipe) -> AsyncIterator[tuple[str, Finding]]:
    """Every teacher's name with each finding about it."""
    for name, teacher in recipe.teachers.items():
        try:
            async for finding in _teacher(teacher, recipe):
                yield name, finding
        except CotgenError as error:
            yield name, Finding("answers", "no", str(error))


async def _teacher(teacher: Teacher, recipe: Recipe) -> AsyncIterator[Finding]:
    """What a teacher finds out about itself where it can; else whether it answers the recipe's
    first problem."""
    probe = getattr(teacher, "probe", None)
    if probe is not None:
        async for finding in probe():
            yield finding
        return
    problem = next((each for each in recipe.problems.load() if isinstance(each, Problem)), None)
    if problem is None:
        yield Finding("answers", "unknown", "the recipe has no problem to ask")
        return
    messages, sampling = recipe.search.most_calls(problem)[0]
    began = time.monotonic()
    async with teacher.connect() as ask:
        yield Finding("connects", "yes", f"in {time.monotonic() - began:.2f} s")
        tiny = msgspec.structs.replace(sampling, n=2, max_tokens=16)
        found = await ask(Request(problem.question, tuple(messages), tiny, 0))
        yield Finding("answers", "yes", f"{len(found)} of 2 samples: {found[0].text[:40]!r}")
