"""Which command starts vLLM in an environment."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

from cotgen.errors import RecipeError

_LOOK = """
from importlib import metadata, util
try:
    metadata.version("vllm")
    print("script")
except metadata.PackageNotFoundError:
    print("module" if util.find_spec("vllm") else "none")
"""


def interpreter(python: str | None) -> str:
    """The Python to run vLLM with: ours, or the one named. Raises RecipeError without it."""
    found = shutil.which(python) if python else sys.executable
    if found is None:
        raise RecipeError(f"teachers.*.python: there is no {python}")
    return found


async def serve_command(python: str, model: str) -> list[str]:
    """`vllm serve MODEL`; the module where the script cannot work: it looks for metadata that some
    builds do not have. Raises RecipeError without vLLM."""
    process = await asyncio.create_subprocess_exec(python, "-c", _LOOK, stdout=subprocess.PIPE)
    said, _ = await process.communicate()
    script = Path(python).with_name("vllm")
    match said.decode().strip():
        case "script" if script.exists():
            return [str(script), "serve", model]
        case "script" | "module":
            return [python, "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    raise RecipeError(
        f"teachers.*.kind: vllm: {python} has no vLLM: pip install 'cotgen[vllm]', or name the "
        "Python of another environment with `python`"
    )
