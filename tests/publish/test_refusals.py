from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from string import ascii_letters, digits
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cotgen import publish
from cotgen.errors import CotgenError, RecipeError, StoreError
from cotgen.publish.secrets import KINDS, secret_in, secrets_in_rows
from cotgen.publish.sources import hub_licence

_LETTERS = ascii_letters + digits


def _made(prefix: str, length: int, letters: str = _LETTERS) -> str:
    """A key that nobody has: written here in parts, so that no scanner takes it for one."""
    return prefix + "".join(Random(prefix).choices(letters, k=length))


SECRETS = {
    "an Anthropic key": _made("sk-ant-" + "api03-", 80),
    "an OpenRouter key": _made("sk-or-" + "v1-", 64, "0123456789abcdef"),
    "an OpenAI key": _made("sk-" + "proj-", 60),
    "an API key (sk-…)": _made("sk" + "-", 48),
    "a Hugging Face token": _made("h" + "f_", 34),
    "a GitHub token": _made("gh" + "p_", 36),
    "a GitLab token": _made("gl" + "pat-", 20),
    "an AWS key": _made("AK" + "IA", 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "a Google key": _made("AI" + "za", 35),
    "a Slack token": _made("xo" + "xb-", 40, digits),
    "a Stripe key": _made("sk_" + "live_", 24),
    "a Groq key": _made("gs" + "k_", 52),
    "an xAI key": _made("xa" + "i-", 80),
    "a Replicate token": _made("r" + "8_", 37),
    "a Perplexity key": _made("pp" + "lx-", 48),
    "an NVIDIA key": _made("nv" + "api-", 64),
    "an npm token": _made("np" + "m_", 36),
    "a PyPI token": _made("py" + "pi-AgE", 60),
    "a SendGrid key": _made("S" + "G.", 22) + "." + _made("", 43),
    "a signed token (JWT)": ".".join((_made("ey" + "J", 20), _made("ey" + "J", 30), _made("", 30))),
    "a password in an address": "postgres://admin:" + "hunter22@db.internal/rows",
    "a private key": "-----BEGIN OPENSSH " + "PRIVATE KEY-----",
}


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_in_a_row_is_found_and_not_repeated(
    run: Path, plant: Callable[..., None], kind: str
) -> None:
    plant(run, "dpo", 4, f"My key is '{SECRETS[kind]}', said he.")
    with pytest.raises(RecipeError) as refused:
        publish.pack(run, "org/x")
    assert f"dpo.parquet: row 4 holds {kind}" in str(refused.value)
    assert SECRETS[kind] not in str(refused.value)


def test_every_known_kind_of_secret_is_tried() -> None:
    assert {*KINDS, "a private key"} == set(SECRETS)


@pytest.mark.parametrize(
    "text",
    [
        "the risk-averse task-oriented desk-bound clerk walks 3 blocks",
        "hf_hub_download and sk-learn are names, gsk_ and npm_ prefixes",
        "-----BEGIN PUBLIC KEY----- is nobody's secret",
        "see https://example.org:8080/a@b and mailto:someone@example.org",
        "sha256 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "x = sk-1234 and AKIA is a name in Japan",
    ],
)
def test_words_and_digests_are_no_secrets(text: str) -> None:
    assert secret_in(text, {}) == ""


def test_the_value_of_a_key_that_the_recipe_names_is_found(
    run: Path, plant: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = run / "recipe.yaml"
    text = recipe.read_text(encoding="utf-8")
    text = text.replace("    kind: scripted\n", "    kind: scripted\n    api_key_env: OUR_KEY\n")
    recipe.write_text(text, encoding="utf-8")
    monkeypatch.setenv("OUR_KEY", "open sesame (.*)")
    publish.pack(run, "org/x")
    plant(run, "dpo", 0, "He said: open sesame (.*)!")
    with pytest.raises(RecipeError, match="row 0 holds the value of OUR_KEY"):
        publish.pack(run, "org/x")


def test_rows_are_counted_through_the_whole_file(tmp_path: Path) -> None:
    texts = ["nothing"] * 2500
    texts[10] = texts[2345] = SECRETS["a Groq key"]
    for path in (tmp_path / "a.parquet", tmp_path / "a.jsonl"):
        if path.suffix == ".parquet":
            pq.write_table(pa.table({"text": texts}), path)
        else:
            path.write_text("".join(json.dumps({"text": each}) + "\n" for each in texts))
        found = list(secrets_in_rows(path, {}))
        assert found == [(10, "a Groq key"), (2345, "a Groq key")]


def test_secrets_in_other_files_are_found_by_line(run: Path) -> None:
    secret = SECRETS["a GitHub token"]
    (run / "datasets/notes.yaml").write_text(f"# mine\n# {secret}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=r"notes\.yaml: line 2 holds a GitHub token"):
        publish.pack(run, "org/x")


def test_many_secrets_are_listed_but_not_all(run: Path, plant: Callable[..., None]) -> None:
    for row in range(12):
        plant(run, "dpo", row, SECRETS["a Groq key"])
    with pytest.raises(RecipeError, match="perhaps more") as refused:
        publish.pack(run, "org/x")
    assert str(refused.value).count("holds a Groq key") == 10


@pytest.mark.parametrize(
    ("license", "said"),
    [
        ("", "its licence is unknown"),
        ("unknown", "its licence is unknown"),
        ("CC-BY-NC-ND-4.0", "forbids it"),
        ("proprietary", "forbids it"),
        ("Acme Terms v3", "is not known to allow it"),
    ],
)
def test_a_licence_that_is_unknown_or_forbids_is_refused_unless_accepted(
    run: Path, set_origin: Callable[..., None], license: str, said: str
) -> None:
    set_origin(run, "dpo", 2, license=license, source="acme/questions")
    with pytest.raises(RecipeError) as refused:
        publish.pack(run, "org/x")
    assert "acme/questions: its licence" in str(refused.value)
    assert said in str(refused.value)
    assert "the first is dpo.origin.jsonl, row 2" in str(refused.value)
    parcel = publish.pack(run, "org/x", accept_licences=True)
    expected = "unknown" if "unknown" in said else "other"
    assert parcel.front["license"] == ["cc0-1.0", expected]


@pytest.mark.parametrize(
    ("stated", "name"),
    [("MIT", "mit"), ("Apache 2.0", "apache-2.0"), ("GPL-3.0-or-later", "gpl-3.0"),
     ("CC0-1.0", "cc0-1.0"), ("ODC-By-1.0", "odc-by"), ("MIT AND CC-BY-4.0", "other")],
)  # fmt: skip
def test_licences_get_the_name_that_the_hub_gives_them(stated: str, name: str) -> None:
    assert hub_licence(stated) == name


def test_a_row_of_a_test_split_is_refused_even_if_licences_are_accepted(
    run: Path, set_origin: Callable[..., None]
) -> None:
    set_origin(run, "sft", 1, split="test")
    with pytest.raises(RecipeError, match=r"sft\.origin\.jsonl: row 1 is of a test split"):
        publish.pack(run, "org/x", accept_licences=True)


def test_rows_without_their_origin_are_refused(run: Path) -> None:
    path = run / "datasets/dpo.origin.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(StoreError, match="dpo has"):
        publish.pack(run, "org/x")


def test_an_origin_that_cannot_be_read_is_named(run: Path) -> None:
    path = run / "datasets/dpo.origin.jsonl"
    path.write_bytes(path.read_bytes() + b"{torn")
    with pytest.raises(StoreError, match=r"dpo\.origin\.jsonl: row \d+ cannot be read"):
        publish.pack(run, "org/x")


def _set_manifest(run: Path, **datasets: Any) -> None:
    path = run / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["datasets"] |= datasets
    path.write_text(json.dumps(manifest), encoding="utf-8")


def test_a_run_that_is_not_finished_is_refused(run: Path, tmp_path: Path) -> None:
    _set_manifest(run, dpo={})
    with pytest.raises(RecipeError, match="dataset dpo is not finished"):
        publish.pack(run, "org/x")
    _set_manifest(run, dpo={"rows": 1, "digest": "", "refused": {}})
    with pytest.raises(StoreError, match=r"manifest\.json says 1"):
        publish.pack(run, "org/x")
    with pytest.raises(RecipeError, match="is not the folder of a run"):
        publish.push(tmp_path / "nothing", publish.Destination("org/x"))
    assert not (tmp_path / "nothing").exists()


def test_damaged_files_are_named(run: Path) -> None:
    (run / "datasets/dpo.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(CotgenError, match=r"dpo\.parquet: cannot be read"):
        publish.pack(run, "org/x")


def test_a_dataset_without_rows_is_left_out(run: Path) -> None:
    path = run / "datasets/dpo.parquet"
    pq.write_table(pq.read_table(path).slice(0, 0), path)
    for name in ("dpo.jsonl", "dpo.origin.jsonl"):
        (run / "datasets" / name).write_bytes(b"")
    _set_manifest(run, dpo={"rows": 0, "digest": "", "refused": {}})
    parcel = publish.pack(run, "org/x")
    assert "dpo" not in [each["config_name"] for each in parcel.front["configs"]]
    assert "dpo.parquet" not in parcel.sizes()


def test_json_lines_are_published_where_there_is_no_parquet(run: Path) -> None:
    for path in (run / "datasets").glob("*.parquet"):
        path.unlink()
    parcel = publish.pack(run, "org/x")
    assert {"dpo.jsonl", "sft.jsonl"} <= set(parcel.sizes())
    assert parcel.front["configs"][0]["data_files"] == [{"split": "train", "path": "sft.jsonl"}]


def test_json_lines_that_a_trainer_is_told_to_read_go_along(run: Path) -> None:
    assert "dpo.jsonl" not in publish.pack(run, "org/x").sizes()
    listed = {"dpo": {"file_name": "dpo.jsonl"}}
    (run / "datasets/dataset_info.json").write_text(json.dumps(listed), encoding="utf-8")
    sizes = publish.pack(run, "org/x").sizes()
    assert {"dpo.jsonl", "dataset_info.json"} <= set(sizes)
    assert "sft.jsonl" not in sizes


def test_drafts_and_hidden_files_stay_at_home(run: Path) -> None:
    for name in ("dpo.parquet.tmp", ".secret"):
        (run / "datasets" / name).write_bytes(b"x")
    assert not {"dpo.parquet.tmp", ".secret"} & set(publish.pack(run, "org/x").sizes())
