"""Asks `vllm.LLM` chunk by chunk. Run as a script, in whatever environment has vLLM.

    python chunks.py FD CHUNK OPTIONS

Requests come over the socket FD as JSON lines and leave as JSON lines, each when its chunk is done:
`LLM.chat` returns when all of its prompts have ended.
"""

from __future__ import annotations

import json
import select
import socket
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

_GATHER_S = 0.05
"""So long the line must be silent before a chunk that is not full begins."""


def main() -> None:
    """Answer until the other end is closed."""
    line = socket.socket(fileno=int(sys.argv[1]))
    del sys.path[0]  # Our own folder: its modules must not pass for others.
    vllm = import_module("vllm")
    llm = vllm.LLM(**json.loads(sys.argv[3]))
    _say(line, {"id": 0})
    for chunk in _chunks(line, int(sys.argv[2])):
        fitting = []
        for request in chunk:
            if refused := _refusal(llm, request):
                _say(line, {"id": request["id"], "refused": refused})
            else:
                fitting.append(request)
        # Going on with an unfinished answer is a setting of the call, not of the conversation.
        for goes_on in (False, True):
            _answer(vllm, llm, line, [each for each in fitting if _goes_on(each) == goes_on])


def _answer(vllm: Any, llm: Any, line: socket.socket, requests: list[dict[str, Any]]) -> None:
    if not requests:
        return
    outputs = llm.chat(
        [request["messages"] for request in requests],
        [vllm.SamplingParams(**request["sampling"]) for request in requests],
        use_tqdm=False,
        add_generation_prompt=not _goes_on(requests[0]),
        continue_final_message=_goes_on(requests[0]),
    )
    for request, output in zip(requests, outputs, strict=True):
        prompt = len(output.prompt_token_ids)
        made = [
            _completion(each, 0 if number else prompt) for number, each in enumerate(output.outputs)
        ]
        _say(line, {"id": request["id"], "completions": made})


def _completion(output: Any, prompt_tokens: int) -> dict[str, Any]:
    chosen = zip(output.token_ids, output.logprobs or (), strict=False)
    return {
        "text": output.text,
        "finish": "stop" if output.finish_reason == "stop" else "length",
        "tokens": len(output.token_ids),
        "prompt_tokens": prompt_tokens,
        "logprobs": [found[token].logprob for token, found in chosen],
        "stop_reason": "" if output.stop_reason is None else str(output.stop_reason),
    }


def _refusal(llm: Any, request: dict[str, Any]) -> str:
    """Why a request cannot be answered. One that does not fit would take its chunk with it."""
    try:
        prompt = llm.get_tokenizer().apply_chat_template(
            request["messages"],
            tokenize=True,
            return_dict=False,
            add_generation_prompt=not _goes_on(request),
            continue_final_message=_goes_on(request),
        )
    except Exception as error:  # noqa: BLE001 - templates raise whatever they like
        return f"the chat template refuses the prompt: {error}"
    wanted = len(prompt) + request["sampling"]["max_tokens"]
    most = llm.llm_engine.model_config.max_model_len
    if wanted > most:
        return (
            f"{len(prompt)} tokens of prompt and max_tokens {request['sampling']['max_tokens']} "
            f"are more than the model's {most}"
        )
    return ""


def _goes_on(request: dict[str, Any]) -> bool:
    return bool(request["messages"][-1]["role"] == "assistant")


def _chunks(line: socket.socket, most: int) -> Iterator[list[dict[str, Any]]]:
    """What has arrived, as soon as there is something, `most` at a time."""
    buffer, ended = b"", False
    waiting: list[dict[str, Any]] = []
    while not ended or waiting:
        while not ended and select.select([line], [], [], _GATHER_S if waiting else None)[0]:
            received = line.recv(1 << 20)
            ended = not received
            *lines, buffer = (buffer + received).split(b"\n")
            waiting += map(json.loads, lines)
            if len(waiting) >= most:
                break
        if ended:
            return  # Nobody waits for the answers.
        yield waiting[:most]
        waiting = waiting[most:]


def _say(line: socket.socket, what: dict[str, Any]) -> None:
    line.sendall(json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    main()
