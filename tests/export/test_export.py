"""What `sleb export` and `sleb prune --out` write, as transformers, safetensors and a file listing see it."""
import itertools
import json
import pathlib
import shutil
import signal
import subprocess

import numpy as np
import pytest
import safetensors
import torch
import transformers
import yaml

import numbered_tensors
import oracle
from gguf_models import BYTE_TOKENS, save_gguf
from tiny_models import (OPT, ROPES, drop_base_prefix, edit_json, make_model, random_ids, save_model, save_tokenizer,
                         store_head)

TOLERANCE = 1e-4  # of float32 logits
CANDIDATE = {"block", "loss", "kl", "segments", "tokens", "difference", "difference_stderr"}
NUM_BLOCKS = 6
COMPANIONS = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja",
              "generation_config.json"]
TEXTS = ["", "plain words", "Zürich, 東京 🎉 naïve", "  two\n\n\tblanks ", "12345 67.89 it's I'LL", "x = y_1 += 2;",
         "<|im_start|>user\nhello<|im_end|>\n", "<bos>again"]


def save_source(folder: pathlib.Path, family: str = "llama", **options) -> pathlib.Path:
    """A small checkpoint with all the files that a real one has."""
    save_tokenizer(save_model(folder, family, num_hidden_layers=NUM_BLOCKS, **options))
    (folder / "chat_template.jinja").write_text("{{ messages[0].content }}\n")
    (folder / "special_tokens_map.json").write_text('{ "bos_token" : "<bos>" }')
    edit_json(folder / "generation_config.json", max_new_tokens=7, temperature=0.5, do_sample=True)
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return save_source(tmp_path_factory.mktemp("source") / "model", tie_word_embeddings=True, dtype=torch.bfloat16)


@pytest.fixture
def export(sleb_ok, tmp_path):
    def run(model, removal_list: str, *options, out: str = "out") -> pathlib.Path:
        sleb_ok("export", model, "--removal-list", removal_list, "--out", tmp_path / out, *options)
        return tmp_path / out

    return run


def shards_of(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(folder.glob("*.safetensors"))


def tensors_of(folder: pathlib.Path) -> dict[str, torch.Tensor]:
    tensors = {}
    for shard in shards_of(folder):
        with safetensors.safe_open(shard, "pt") as file:
            assert file.metadata() == {"format": "pt"}, shard
            for name in file.keys():
                assert name not in tensors
                tensors[name] = file.get_tensor(name)
    return tensors


def without_blocks(tensors: dict[str, torch.Tensor], removed: list[int], blocks: int = NUM_BLOCKS) -> dict:
    return numbered_tensors.without_blocks(tensors, removed, blocks, ".layers.")


def expect_same_tensors(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert set(actual) == set(expected)
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype, name
        assert torch.equal(actual[name].view(torch.uint8), tensor.contiguous().view(torch.uint8)), name


def expect_bypassed_logits(folder: pathlib.Path, original, removed: list[int], ids: np.ndarray) -> None:
    """It computes and generates what the original without these blocks does."""
    model = oracle.load(folder)
    oracle.expect_close(oracle.logits(model, ids), oracle.logits(original, ids, tuple(removed)), TOLERANCE)
    continued = oracle.generate(model, ids[:20], 20)
    assert continued == oracle.generate(oracle.without_blocks(original, tuple(removed)), ids[:20], 20)


def front_matter(folder: pathlib.Path) -> dict:
    _, front, _ = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front)


VARIANTS = {
    "tied, bfloat16": {"tie_word_embeddings": True, "dtype": torch.bfloat16},
    "untied, float16, biases": {"dtype": torch.float16, "attention_bias": True, "mlp_bias": True},
    "float32, sharded source": {"shard_size": "60KB", "rope_parameters": ROPES["llama3"]},
    "mistral": {"family": "mistral", "sliding_window": 9, "head_dim": 24},
    **{f"opt, {name}": {"family": "opt", "dtype": dtype, **variant}
       for (name, variant), dtype in zip(OPT.items(), itertools.cycle([torch.float16, torch.float32, torch.bfloat16]))},
    "opt, sharded source": {"family": "opt", "shard_size": "60KB"},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_folder_without_blocks(export, tmp_path, name):
    source = save_source(tmp_path / "model", **VARIANTS[name])
    out = export(source, "4,1")
    for removed in ([4, 1], []):
        folder = out if removed else export(source, "", out="dense")
        expect_bypassed_logits(folder, oracle.load(source), removed, random_ids(60))
        expect_same_tensors(tensors_of(folder), without_blocks(tensors_of(source), removed))
    before, after = (json.loads((folder / "config.json").read_text()) for folder in (source, out))
    assert after == {**before, "num_hidden_layers": NUM_BLOCKS - 2}
    assert list(after) == list(before)
    for file in COMPANIONS:
        assert (out / file).read_bytes() == (source / file).read_bytes(), file
    assert {file.name for file in out.iterdir()} == {*COMPANIONS, "config.json", "model.safetensors", "README.md",
                                                    "sleb.json", "sleb.svg"}
    old, new = (transformers.AutoTokenizer.from_pretrained(folder) for folder in (source, out))
    assert all(old(text).input_ids == new(text).input_ids for text in TEXTS)


def test_tied_head_stays_tied(export, source):
    out = export(source, "2")
    assert "lm_head.weight" not in tensors_of(out)
    model = oracle.load(out)
    assert model.lm_head.weight.data_ptr() == model.model.embed_tokens.weight.data_ptr()


@pytest.mark.parametrize("variant", ["pre-norm", "post-norm and projections"])
@pytest.mark.parametrize("kept", [True, False])
def test_tensors_under_old_names(export, tmp_path, variant, kept):
    """Written as transformers would write them now: with "model." in front, and a tied head as the embedding."""
    now = save_source(tmp_path / "now", "opt", dtype=torch.float16, **OPT[variant])
    old = shutil.copytree(now, tmp_path / "old")
    store_head(old, "model.decoder.embed_tokens.weight", keep_embedding=kept)
    drop_base_prefix(old)
    out = export(old, "4,1")
    expect_bypassed_logits(out, oracle.load(old), [4, 1], random_ids(60))
    expect_same_tensors(tensors_of(out), without_blocks(tensors_of(now), [4, 1]))


def test_lists_of_the_configuration_are_cut(export, tmp_path):
    """transformers refuses a configuration whose lists do not fit num_hidden_layers."""
    source = save_source(tmp_path / "model", "mistral", sliding_window=7)
    kinds = ["full_attention", "sliding_attention", "full_attention", "full_attention", "sliding_attention",
             "sliding_attention"]
    edit_json(source / "config.json", layer_types=kinds, eos_token_id=[1, 2, 3, 4, 5, 6])
    out = export(source, "0,4")
    expect_bypassed_logits(out, oracle.load(source), [0, 4], random_ids(60))
    config = json.loads((out / "config.json").read_text())
    assert config["layer_types"] == [kinds[block] for block in (1, 2, 3, 5)]
    assert config["eos_token_id"] == [1, 2, 3, 4, 5, 6]


def test_shards(export, source):
    limit = 60_000
    out = export(source, "3", "--shard-bytes", limit)
    index = json.loads((out / "model.safetensors.index.json").read_text())
    shards = shards_of(out)
    assert len(shards) > 3
    assert [shard.name for shard in shards] == [f"model-{i + 1:05}-of-{len(shards):05}.safetensors"
                                                for i in range(len(shards))]
    held, total = {}, 0
    for shard in shards:
        with safetensors.safe_open(shard, "pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        held.update(dict.fromkeys(tensors, shard.name))
        size = sum(tensor.nbytes for tensor in tensors.values())
        assert size <= limit or len(tensors) == 1
        total += size
    assert index == {"metadata": {"total_size": total}, "weight_map": held}
    expect_same_tensors(tensors_of(out), without_blocks(tensors_of(source), [3]))
    expect_bypassed_logits(out, oracle.load(source), [3], random_ids(60))


@pytest.mark.parametrize("name", ["float32", "float16", "bfloat16"])
def test_out_dtype(export, source, name):
    out = export(source, "3", "--out-dtype", name)
    dtype = getattr(torch, name)
    expected = {key: tensor.to(dtype) for key, tensor in without_blocks(tensors_of(source), [3]).items()}
    expect_same_tensors(tensors_of(out), expected)
    assert transformers.AutoConfig.from_pretrained(out).dtype == dtype
    assert transformers.AutoModelForCausalLM.from_pretrained(out).dtype == dtype


def test_an_exported_folder_is_a_model_again(export, source):
    once = export(source, "[4, 1]", out="once")  # the reference's spelling
    twice = export(once, "2", out="twice")  # block 3 of the original
    expect_same_tensors(tensors_of(twice), without_blocks(tensors_of(source), [4, 1, 3]))
    expect_same_tensors(tensors_of(export(twice, "", out="copy")), tensors_of(twice))


def test_existing_target(sleb, export, source, tmp_path):
    out = export(source, "1")
    (out / "precious").write_text("kept")
    before = {file: file.read_bytes() for file in out.iterdir()}
    refused = sleb("export", source, "--removal-list", "2", "--out", out)
    assert refused.returncode == 2
    assert {file: file.read_bytes() for file in out.iterdir()} == before
    refused = sleb("export", source, "--removal-list", "2", "--out", out, "--force")
    assert refused.returncode == 2 and "precious" in refused.stderr
    assert {file: file.read_bytes() for file in out.iterdir()} == before
    (out / "precious").unlink()
    export(source, "2,3", "--force")
    expect_same_tensors(tensors_of(out), without_blocks(tensors_of(source), [2, 3]))
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_card_and_record_of_export(export, source, tmp_path):
    out = export(source, "4,1")
    assert front_matter(out)["library_name"] == "transformers"
    assert {"sleb", "pruned"} <= set(front_matter(out)["tags"])
    card = (out / "README.md").read_text()
    assert "4,1" in card
    assert f"sleb export {source} --removal-list 4,1 --out {tmp_path / 'out'}" in card
    record = json.loads((out / "sleb.json").read_text())
    assert sorted(record.pop("files")) == sorted(file.name for file in out.iterdir())
    assert record == {"model": str(source), "num_blocks": NUM_BLOCKS, "removal_list": [4, 1]}


@pytest.fixture
def prune_command(source, tmp_path):
    """A search that takes some seconds, and what it writes."""
    (tmp_path / "text.txt").write_text("The quick brown fox jumps over the lazy dog.\n" * 400)

    def arguments(rounds: int) -> list[str]:
        return [str(word) for word in (
            "prune", source, "--dataset", tmp_path / "text.txt", "--nsamples", 400, "--seqlen", 128,
            "--dtype", "float32", "--device", "cpu", "--num-remove-blocks", rounds, "--prompt-tokens", 16,
            "--out", tmp_path / "out")]

    return arguments


def test_prune_writes_what_it_found(sleb_ok, prune_command, source, tmp_path):
    shown = sleb_ok(*prune_command(2), "--eval-ppl", tmp_path / "text.txt", "--json", tmp_path / "result.json")
    out = tmp_path / "out"
    result = json.loads((out / "sleb.json").read_text())
    assert result == {**json.loads((tmp_path / "result.json").read_text()), "files": result["files"]}
    removed = result["removal_list"]
    assert shown.startswith(f"removal list: {removed[0]},{removed[1]}\n")
    expect_same_tensors(tensors_of(out), without_blocks(tensors_of(source), removed))
    expect_bypassed_logits(out, oracle.load(source), removed, random_ids(60))

    assert result["model"] == str(source)
    assert result["num_blocks"] == NUM_BLOCKS
    assert (result["criterion"], result["confidence"]) == ("loss", 0.999)
    assert set(result["calibration"]) == {"dataset", "tokens", "segments", "seqlen", "seed", "ids_sha256"}
    assert (result["dtype"], result["device"], result["search"]) == ("float32", "cpu", "race")
    assert [len(step["candidates"]) for step in result["steps"]] == [4, 3]
    for step in result["steps"]:
        assert set(step) == {"removed", "loss", "margin", "candidates", "seconds", "operations"}
        assert all(set(candidate) == CANDIDATE for candidate in step["candidates"])
    assert result["seconds"] >= sum(step["seconds"] for step in result["steps"]) > 0

    card = (out / "README.md").read_text()
    assert front_matter(out)["library_name"] == "transformers"
    assert f"sleb prune {source} --dataset" in card
    assert f"{removed[0]},{removed[1]}" in card
    lines = [line.strip("|").split("|") for line in card.splitlines() if line.startswith("|")]
    rows = {line[0].strip(): [cell.strip() for cell in line[1:3]] for line in lines}
    assert rows[""] == ["dense", "pruned"]
    assert rows["blocks"] == [str(NUM_BLOCKS), str(NUM_BLOCKS - 2)]
    perplexities = result["evaluation"]["perplexity"][str(tmp_path / "text.txt")]
    assert rows[str(tmp_path / "text.txt")] == [f"{removed[0]},{removed[1]}", f"{perplexities['pruned']:.4f}"]


@pytest.mark.parametrize("kill", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_search_leaves_its_state_alone(sleb_program, prune_command, tmp_path, kill):
    before = set(tmp_path.iterdir())
    command = subprocess.Popen([sleb_program, *prune_command(4)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    for line in command.stderr:
        if line.startswith("round 1 of 4"):
            break
    command.send_signal(kill)
    shown, log = command.communicate(timeout=60)
    assert command.returncode == 1
    assert log.splitlines()[-1].startswith("sleb: stopped before the end; ")
    assert shown == ""
    assert {path.name for path in set(tmp_path.iterdir()) - before} <= {"out.sleb-state.json"}


def test_gguf_of_a_real_model(sleb_ok, export, smollm2, smollm2_gguf, tmp_path):
    """The same as what transformers makes of the file, without two blocks."""
    out = export(smollm2_gguf, "12,26")
    expect_same_tensors(tensors_of(out), without_blocks(tensors_of(smollm2), [12, 26], 30))
    expect_bypassed_logits(out, oracle.load(smollm2), [12, 26], np.arange(3000, 3060))

    ours, theirs = (transformers.AutoConfig.from_pretrained(folder).to_dict() for folder in (out, smollm2))
    assert ours["num_hidden_layers"] == 28
    for key in ("model_type", "architectures", "dtype", "hidden_size", "intermediate_size", "num_attention_heads",
                "num_key_value_heads", "head_dim", "vocab_size", "max_position_embeddings", "rms_norm_eps",
                "hidden_act", "attention_bias", "mlp_bias", "tie_word_embeddings", "rope_parameters", "bos_token_id",
                "eos_token_id"):
        assert ours[key] == theirs[key] or ours[key] == pytest.approx(theirs[key]), key

    tokenizer, reference = (transformers.AutoTokenizer.from_pretrained(folder) for folder in (out, smollm2))
    for i, text in enumerate(TEXTS):
        (tmp_path / f"{i}.txt").write_text(text)
        ids = json.loads(sleb_ok("tokenize", smollm2_gguf, tmp_path / f"{i}.txt", "--json"))["ids"]
        assert tokenizer(text).input_ids == ids == reference(text, add_special_tokens=False).input_ids, text
        assert tokenizer.decode(ids) == text
    chat = [{"role": "user", "content": "Hello"}]
    assert tokenizer.apply_chat_template(chat, tokenize=False) == reference.apply_chat_template(chat, tokenize=False)
    assert (tokenizer.bos_token, tokenizer.eos_token) == (reference.bos_token, reference.eos_token)


def test_float64_stays_float64(export, tmp_path):
    source = save_source(tmp_path / "model", dtype=torch.float64)
    out = export(source, "1,4")
    expect_same_tensors(tensors_of(out), without_blocks(tensors_of(source), [1, 4]))
    expect_bypassed_logits(out, oracle.load(source), [1, 4], random_ids(60))


def test_memory_while_writing(sleb_measured, smollm2, tmp_path):
    """Tensors pass one at a time: of 269 MB, the largest is 57 MB."""
    _, usual_peak = sleb_measured("info", smollm2)
    _, peak = sleb_measured("export", smollm2, "--removal-list", "12", "--out", tmp_path / "out")
    assert peak < usual_peak + 100 * 10**6


@pytest.mark.parametrize("rope", ["default", "linear", "llama3.1"])
def test_small_gguf(sleb_ok, export, tmp_path, rope):
    ropes = {**ROPES, "llama3.1": {**ROPES["llama3"], "original_max_position_embeddings": 8192, "factor": 32.0}}
    model = make_model(num_hidden_layers=NUM_BLOCKS, rope_parameters=ropes[rope], head_dim=32)
    save_gguf(tmp_path / "model.gguf", model, "Q8_0", BYTE_TOKENS)
    out = export(tmp_path / "model.gguf", "0,3", "--out-dtype", "float32")
    expect_bypassed_logits(out, model, [0, 3], random_ids(60))
    auto = export(tmp_path / "model.gguf", "", out="auto")
    assert {tensor.dtype for tensor in tensors_of(auto).values()} == {torch.bfloat16}
    assert transformers.AutoConfig.from_pretrained(auto).dtype == torch.bfloat16


def test_gguf_with_rope_frequencies_that_have_no_name(sleb, tmp_path):
    """Refused rather than written wrongly."""
    save_gguf(tmp_path / "model.gguf", make_model(rope_parameters=ROPES["llama3"]), "F32", BYTE_TOKENS)
    done = sleb("export", tmp_path / "model.gguf", "--removal-list", "1", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "rope_freqs.weight" in done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["model.gguf"]
