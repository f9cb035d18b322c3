from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from importing import import_rows

import cotgen
from cotgen import publish
from cotgen.errors import RecipeError
from cotgen.publish import files
from cotgen.publish.card import BEGIN, END
from cotgen.publish.markdown import fenced, inline, table
from cotgen.publish.merging import card, merged
from cotgen.publish.rows import lengths
from cotgen.summary import read_summary

HOSTILE = (
    "</details>\n```\n````\n---\n# owned\n<script>alert(1)</script> <img src=x onerror=x>\n"
    f"{END}\n![x](javascript:x) [a](http://x) | cell | @everybody $x$ \x1b[2J \u202e"
)


def _outside_fences(text: str) -> str:
    """What Markdown reads as markup: a fence ends with one that is at least as long."""
    kept, fence = [], ""
    for line in text.split("\n"):
        run = re.match(r"`{3,}", line)
        if fence:
            if run and len(run[0]) >= len(fence) and not line.strip("`"):
                fence = ""
        elif run:
            fence = run[0]
        else:
            kept.append(line)
    assert fence == ""
    return "\n".join(kept)


def _hostile(run: Path) -> publish.Parcel:
    path = run / "datasets/sft.parquet"
    held = pq.read_table(path)
    rows = held.to_pylist()
    rows[0]["prompt"][0]["content"] = HOSTILE
    pq.write_table(pa.Table.from_pylist(rows, schema=held.schema), path)
    return publish.pack(run, "org/x", accept_licences=True)


def test_the_card_says_what_the_hub_reads(made: Path) -> None:
    text = publish.pack(made, "org/chains").card
    front = yaml.safe_load(text.split("---\n")[1])
    names = ["sft", "sft-multiturn", "sft-folded", "sft-single", "dpo"]
    assert [each["config_name"] for each in front["configs"]] == names
    assert front["configs"][4]["data_files"] == [{"split": "train", "path": "dpo.parquet"}]
    assert [each.get("default", False) for each in front["configs"]] == [True, *[False] * 4]
    assert (front["license"], front["language"]) == ("cc0-1.0", ["en"])
    assert front["size_categories"] == ["n<1K"]
    assert {"synthetic", "cotgen"} <= set(front["tags"])


def test_the_card_states_the_numbers_of_the_run(made: Path) -> None:
    text, summary = publish.pack(made, "org/chains").card, read_summary(made)
    correct, wrong = summary.verdicts["correct"], summary.verdicts["incorrect"]
    assert f"| … correct | {correct} | {100 * correct / summary.attempts:.1f}% of" in text
    assert f"{100 * correct / (correct + wrong):.1f}% are correct" in text
    for name, rows in summary.rows.items():
        assert f"| rows of {name} | {rows} |" in text
    assert f"| cotgen/generated | CC0-1.0 | {sum(summary.rows.values())} |" in text


def test_the_card_of_an_imported_run_claims_no_authorship_and_can_be_followed(
    tmp_path: Path,
) -> None:
    rows = [{"prompt": f"{n} + 1?", "completions": ["One more."], "labels": [True]} for n in (1, 2)]
    run = import_rows("trl-prm", rows, tmp_path, "license=MIT", verdicts="keep")
    recipe = {**cotgen.load_recipe(run / "recipe.yaml").settings(), "datasets": [{"kind": "prm"}]}
    cotgen.run(cotgen.parse_recipe(recipe), outputs=tmp_path)
    text = publish.pack(run, "org/x").card
    assert "Synthetic: written by" not in text
    assert "not by people" not in text
    assert "Imported from **trl-prm**" in text
    assert "where the dataset itself does not say what is correct" in text
    assert "labels of steps are the dataset's" in text
    command = "cotgen import trl-prm rows.jsonl --run run --set license=MIT --verdicts keep\n"
    assert f"{command}cotgen run recipe.yaml" in text
    assert hashlib.sha256((tmp_path / "rows.jsonl").read_bytes()).hexdigest() in text


def test_the_card_shows_a_row_of_each_dataset_and_the_recipe(made: Path) -> None:
    text = publish.pack(made, "org/chains").card
    for name in ("sft", "dpo"):
        row = pq.read_table(made / "datasets" / f"{name}.parquet").to_pylist()[0]
        assert row["prompt"][0]["content"] in text.split(f"### {name}\n")[1]
    recipe = re.search(r"```yaml\n(.*?)\n```", text, re.DOTALL)
    assert recipe is not None
    saved = yaml.safe_load((made / "recipe.yaml").read_text(encoding="utf-8"))
    assert yaml.safe_load(recipe[1]) == files.told(saved)
    assert 'load_dataset("org/chains", "sft", split="train")' in text


def test_addresses_limits_and_webhooks_are_not_published() -> None:
    recipe = {
        "name": "r",
        "teachers": {"t": {"kind": "openai", "model": "m", "base_url": "http://10.0.0.7/v1"}},
        "limits": {"cost_usd": 5},
        "notify": {"webhook": "https://hooks.example.org/T0/secret"},
    }
    told = {"name": "r", "teachers": {"t": {"kind": "openai", "model": "m"}}}
    assert files.told(recipe) == told


def test_folders_and_the_environment_of_a_machine_are_not_published() -> None:
    recipe = {
        "problems": {"kind": "jsonl", "path": "/home/ann/own/questions.jsonl"},
        "teachers": {"t": {"kind": "vllm", "model": "/data/m", "env": {"K": "x"}, "python": "/p"}},
        "search": {"kind": "sample", "prompt": {"text": "/no_think {{ question }}"}},
        "filters": [{"kind": "decontaminate", "files": [{"path": "~/test.jsonl"}]}],
        "datasets": [{"kind": "sft", "tokenizer": "org/name"}],
    }
    assert files.told(recipe) == {
        **recipe,
        "problems": {"kind": "jsonl", "path": "questions.jsonl"},
        "teachers": {"t": {"kind": "vllm", "model": "m"}},
        "filters": [{"kind": "decontaminate", "files": [{"path": "test.jsonl"}]}],
    }


def test_the_same_run_gives_the_same_card(made: Path) -> None:
    assert publish.pack(made, "org/x").card == publish.pack(made, "org/x").card


def test_lengths_are_counted_in_characters_without_roles() -> None:
    rows = [
        {"a": "12345", "m": [{"role": "user", "content": "äöü"}, {"role": "b", "content": "x"}]},
        {"a": None, "m": []},
        {"a": "1", "m": [{"role": "user", "content": None}]},
    ]
    batch = pa.RecordBatch.from_pylist(rows)
    assert lengths(batch).tolist() == [9, 0, 1]
    assert lengths(batch.slice(1)).tolist() == [0, 1]


def test_the_histogram_adds_up(made: Path) -> None:
    text = publish.pack(made, "org/x").card
    block = text.split("## How long the rows are")[1].split("```")[1].split("\n\n")[4]
    assert block.startswith("dpo: ")
    counts = re.findall(r"– [\d,]+ +([\d,]+)", block)
    assert sum(int(count.replace(",", "")) for count in counts) == read_summary(made).rows["dpo"]


def test_hostile_rows_stay_inside_their_fence(run: Path) -> None:
    text = _hostile(run).card
    outside = _outside_fences(text)
    for part in ("owned", "<script", "<img", "javascript:", "@everybody", "http:"):
        assert part not in outside
    assert outside.count("</details>") == outside.count("<details>") == 1
    assert "<script>alert(1)</script>" in text
    assert not {"\x1b", "\u202e"} & set(text)
    assert "\\x1b[2J \\u202e" in text


def test_hostile_names_stay_inside_their_cell(run: Path, set_origin: Callable[..., None]) -> None:
    set_origin(run, "dpo", 0, source=HOSTILE, license=HOSTILE)
    text = publish.pack(run, "org/x", accept_licences=True).card
    rows = text.split("## Sources and licences\n\n")[1].split("\n\n")[0].split("\n")
    assert [row.count("|") for row in rows] == [4, 4, 4, 4]
    outside = _outside_fences(text)
    for part in ("<script", "<img", "](", "@everybody", "http:", "$x"):
        assert part not in outside
    assert outside.count(END) == 1


def test_a_hostile_row_does_not_confuse_the_next_merge(run: Path) -> None:
    parcel = _hostile(run)
    once = merged(parcel.front, parcel.text, parcel.card + "\nMine.\n", [])
    assert once == merged(parcel.front, parcel.text, once, [])
    assert once.count("Mine.") == 1
    assert once.startswith("---\n")


@pytest.mark.parametrize("text", ["```", "````\n```", "no fence", "`a` ``b``", "\n```"])
def test_a_fence_is_longer_than_those_inside(text: str) -> None:
    first, *inside, last = fenced(text).split("\n")
    assert "\n".join(inside) == text
    assert first == f"{last}text"
    assert last not in text


def test_a_line_of_markup_is_a_line_of_text() -> None:
    assert inline("a | b\n<b> &amp; `c` *d*") == (
        "a &#124; b &#60;b&#62; &#38;amp; &#96;c&#96; &#42;d&#42;"
    )
    assert inline("max_tokens 4 (at 3:4)") == "max_tokens 4 (at 3:4)"
    assert table(("a", "b"), [("x", 1234)]).split("\n")[1:] == ["| --- | ---: |", "| x | 1,234 |"]


FRONT: dict[str, Any] = {
    "license": "mit",
    "size_categories": ["n<1K"],
    "task_categories": ["text-generation"],
    "tags": ["synthetic"],
    "configs": [{"config_name": "sft", "default": True, "data_files": "sft.parquet"}],
}


def _front(text: str) -> dict[str, Any]:
    front: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return front


def test_an_earlier_card_of_ours_is_replaced() -> None:
    earlier = card({**FRONT, "license": "gpl"}, f"{BEGIN}\n\nold numbers\n\n{END}\n")
    now = merged(FRONT, f"{BEGIN}\n\nnew numbers\n\n{END}\n", earlier, ["sft.parquet"])
    assert now == card(FRONT, f"{BEGIN}\n\nnew numbers\n\n{END}\n")


def test_text_around_ours_stays_where_it_was() -> None:
    ours = f"{BEGIN}\n\nnew\n\n{END}\n"
    earlier = card(FRONT, f"Above.\n\n{BEGIN}\n\nold\n\n{END}\n\nBelow.\n")
    now = merged(FRONT, ours, earlier, [])
    assert now.endswith(f"Above.\n\n{ours}\nBelow.\n")
    assert merged(FRONT, ours, now, []) == now


def test_configs_of_another_run_stay_as_long_as_their_files() -> None:
    other = {"config_name": "b", "default": True, "data_files": [{"split": "train", "path": "b/*"}]}
    earlier = card({**FRONT, "license": "gpl", "configs": [other]}, "")
    now = _front(merged(FRONT, "", earlier, ["b/1.parquet", "sft.parquet"]))
    assert now["configs"] == [{"config_name": "sft", "data_files": "sft.parquet"}, other]
    assert now["license"] == ["gpl", "mit"]
    assert _front(merged(FRONT, "", earlier, ["sft.parquet"]))["configs"] == FRONT["configs"]


def test_counts_of_ours_that_another_program_made_are_dropped() -> None:
    infos = [{"config_name": "sft", "splits": []}, {"config_name": "b"}]
    earlier = card({"dataset_info": infos, "configs": []}, "")
    assert _front(merged(FRONT, "", earlier, []))["dataset_info"] == [{"config_name": "b"}]


def test_a_broken_card_is_not_overwritten() -> None:
    with pytest.raises(RecipeError, match="broken YAML"):
        merged(FRONT, "", "---\na: [\n---\n", [])


@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("configs: [1]", "`configs[0]`"),
        ("configs: {a: 1}", "`configs`"),
        ("configs: [{config_name: [a]}]", "`configs[0].config_name`"),
        ("configs: [{data_files: {train: x}}]", "`configs[0].data_files`"),
        ("configs: [{data_files: [{path: {a: b}}]}]", "`configs[0].data_files[0].path`"),
        ("dataset_info: [1]", "`dataset_info[0]`"),
        ("dataset_info: all", "`dataset_info`"),
        ("tags: {a: 1}", "`tags`"),
        ("tags: [[a]]", "`tags[0]`"),
        ("task_categories: 5", "`task_categories`"),
        ("size_categories: 5", "`size_categories`"),
        ("license: [[mit]]", "`license[0]`"),
        ("a: &a [*a]", "broken YAML"),
        ("a: 2026-13-01", "broken YAML"),
        ("a: " + "[" * 5000, "nested deeper than 100"),
    ],
)
def test_a_card_that_cannot_be_merged_is_refused_with_its_key(front: str, said: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(said)) as refused:
        merged(FRONT, "", f"---\n{front}\n---\n", [])
    assert "README.md of the repository" in str(refused.value)
    assert "mend it there and push again" in str(refused.value)


def test_a_card_with_empty_or_single_values_is_merged() -> None:
    earlier = (
        "---\nconfigs:\ndataset_info:\ntags: math\ntask_categories:\nlicense: mit\n1: 2\n---\n"
    )
    now: Any = _front(merged(FRONT, "", earlier, []))
    assert now["configs"] == FRONT["configs"]
    assert now["tags"] == ["synthetic", "math"]
    assert now[1] == 2
