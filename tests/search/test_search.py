"""`sleb prune`: the losses of every candidate and the choice, against one full transformers forward a candidate."""
import hashlib
import json

import numpy as np
import pytest
import torch

import oracle
from tiny_models import OPT, make_model, random_ids, save_model, save_tokenizer

TOLERANCE = 1e-4  # relative, of a loss
SEQLEN = 100
EXACT = ["--device", "cpu", "--dtype", "float32", "--search", "exact", "--json", "-"]


def segments_of(ids: np.ndarray, seqlen: int, count: int | None = None) -> np.ndarray:
    return ids[:len(ids) // seqlen * seqlen].reshape(-1, seqlen)[:count]


def expect_losses(step: dict, expected: dict[int, float]) -> None:
    assert [candidate["block"] for candidate in step["candidates"]] == list(expected)
    for candidate in step["candidates"]:
        assert candidate["loss"] == pytest.approx(expected[candidate["block"]], rel=TOLERANCE), candidate
    assert step["removed"] == min(expected, key=expected.get)
    assert step["loss"] == min(candidate["loss"] for candidate in step["candidates"])


@pytest.fixture
def prune(sleb_ok, tmp_path):
    """The result of a search on the CPU in float32, by default without the speed test that closes it."""

    def run(model, ids: np.ndarray, *options, seqlen: int = SEQLEN, prompt_tokens: int = 0) -> dict:
        np.save(tmp_path / "ids.npy", ids)
        return json.loads(sleb_ok("prune", model, "--tokens", tmp_path / "ids.npy", "--seqlen", seqlen, *EXACT,
                                  "--prompt-tokens", prompt_tokens, *options))

    return run


MODELS = {
    "llama": {"num_hidden_layers": 7},
    "mistral": {"num_hidden_layers": 7, "family": "mistral", "sliding_window": 9, "num_key_value_heads": 1},
    **{f"opt, {name}": {"num_hidden_layers": 7, "family": "opt", **variant} for name, variant in OPT.items()},
}


@pytest.mark.parametrize("name", MODELS)
def test_every_candidate_of_every_round(prune, tmp_path, name):
    model = save_model(tmp_path / "model", seed=1, **MODELS[name])
    ids = random_ids(4567)  # 45 segments, in chunks of 20, 20 and 5; a tail
    result = prune(model, ids, "--num-remove-blocks", 3)
    reference, segments = oracle.load(model), segments_of(ids, SEQLEN)
    for step, expected in zip(result["steps"], oracle.search(reference, segments, 3), strict=True):
        expect_losses(step, expected)
        assert {candidate["segments"] for candidate in step["candidates"]} == {45}
    assert result["removal_list"] == [step["removed"] for step in result["steps"]]
    assert result["dense_loss"] == pytest.approx(oracle.loss(reference, segments), rel=TOLERANCE)
    assert result["calibration"] == {"dataset": str(tmp_path / "ids.npy"), "tokens": 4567, "segments": 45,
                                     "seqlen": SEQLEN, "seed": 0,
                                     "ids_sha256": hashlib.sha256(ids.astype("<i8").tobytes()).hexdigest()}


def test_a_vocabulary_too_large_for_one_slice(prune, tmp_path):
    """Losses are summed over slices of about 64 MiB of logits, here 233 rows."""
    model = save_model(tmp_path / "model", vocab_size=72000, hidden_size=16, num_hidden_layers=3)
    ids = np.random.default_rng(0).integers(0, 72000, 1000)
    result = prune(model, ids, "--num-remove-blocks", 1, seqlen=500)
    expect_losses(result["steps"][0], oracle.search(oracle.load(model), segments_of(ids, 500), 1)[0])


@pytest.mark.parametrize("early, latter", [(0, 0), (3, 1), (1, 3), (2, 2)])
def test_barriers(prune, tmp_path, early, latter):
    """They count the blocks that are still there, as the reference's do."""
    model = save_model(tmp_path / "model", seed=2, num_hidden_layers=7)
    ids = random_ids(500)
    result = prune(model, ids, "--num-remove-blocks", 3, "--early-barrier", early, "--latter-barrier", latter)
    rounds = oracle.search(oracle.load(model), segments_of(ids, SEQLEN), 3, early, latter)
    for step, expected in zip(result["steps"], rounds, strict=True):
        expect_losses(step, expected)


def test_ties_go_to_the_earlier_block(prune, tmp_path):
    """No block adds anything to the hidden state, so to remove any of them costs exactly nothing."""
    model = make_model(num_hidden_layers=6)
    for block in model.model.layers:
        block.self_attn.o_proj.weight.data.zero_()
        block.mlp.down_proj.weight.data.zero_()
    model.save_pretrained(tmp_path / "model")
    result = prune(tmp_path / "model", random_ids(300), "--num-remove-blocks", 3)
    assert {candidate["loss"] for step in result["steps"] for candidate in step["candidates"]} == {result["dense_loss"]}
    assert result["removal_list"] == [1, 2, 3]


def test_segments(prune, tmp_path):
    """--segments N is the first N segments of the text."""
    model = save_model(tmp_path / "model")
    ids = random_ids(950)
    result = prune(model, ids, "--segments", 4, "--num-remove-blocks", 1)
    expect_losses(result["steps"][0], oracle.search(oracle.load(model), segments_of(ids, SEQLEN, 4), 1)[0])
    assert result["calibration"]["segments"] == 4
    assert result["calibration"]["tokens"] == 950


def test_same_command_same_bits(prune, tmp_path):
    """Twice the same but for the times; the number of threads is libtorch's choice."""
    model = save_model(tmp_path / "model", num_hidden_layers=7)

    def without_times(value):
        if isinstance(value, dict):
            return {key: without_times(item) for key, item in value.items()
                    if key not in ("seconds", "prompt_speed", "command")}
        return [without_times(item) for item in value] if isinstance(value, list) else value

    ids = random_ids(4500)
    first, second = (prune(model, ids, "--num-remove-blocks", 3, prompt_tokens=32) for _ in range(2))
    assert "prompt_speed" in first
    assert json.dumps(without_times(first)) == json.dumps(without_times(second))


@pytest.mark.parametrize("option, removed", [(("--ratio", "0.2"), 2), (("--ratio", "0.5"), 3), ((), 2)])
def test_ratio_rounds_up(prune, tmp_path, option, removed):
    """Of six blocks; without the option it is 0.2."""
    model = save_model(tmp_path / "model", num_hidden_layers=6)
    assert len(prune(model, random_ids(100), *option)["removal_list"]) == removed


@pytest.mark.parametrize("name", ["llama", "opt, pre-norm", "opt, post-norm and projections"])
def test_held_out_perplexity_and_divergence(prune, sleb_ok, tmp_path, name):
    """--eval-dataset, the old name of --eval-ppl: perplexity of dense and pruned, and KL(dense || pruned) in nats per token."""
    model = save_tokenizer(save_model(tmp_path / "model", **MODELS[name]))
    text = "".join(chr(32 + i) for i in random_ids(700, seed=9) % 90) + "\n"
    (tmp_path / "held-out.txt").write_text(text)
    result = prune(model, random_ids(300), "--num-remove-blocks", 1, "--eval-dataset", tmp_path / "held-out.txt")
    ids = np.array(json.loads(sleb_ok("tokenize", model, tmp_path / "held-out.txt", "--json"))["ids"])
    segments = segments_of(ids, SEQLEN)
    reference, removed = oracle.load(model), tuple(result["removal_list"])
    dense, pruned = (torch.from_numpy(oracle.logits(reference, segments, off))[:, :-1].log_softmax(-1).double()
                     for off in ((), removed))
    rows = result["evaluation"]["perplexity_details"][str(tmp_path / "held-out.txt")]["rows"]
    assert segments.size == 700
    for row, off in zip(rows, ((), removed), strict=True):
        assert row["removal_list"] == list(off)
        expected = np.exp(oracle.loss(reference, segments, off) / segments.size)
        assert row["perplexity"] == pytest.approx(expected, rel=1e-4)
    divergence = (dense.exp() * (dense - pruned)).sum(-1).mean().item()
    assert rows[1]["divergence"] == pytest.approx(divergence, rel=1e-4)


def test_learned_positions_end(prune, sleb, tmp_path):
    """More tokens than positions are refused before anything is computed; rotary models take them with a warning."""
    model = save_tokenizer(save_model(tmp_path / "model", "opt", max_position_embeddings=60))
    ids, text = random_ids(300), tmp_path / "text.txt"
    text.write_text("some text\n" * 40)
    calibration = {"--tokens": tmp_path / "ids.npy", "--dataset": text}
    result = prune(model, ids, "--num-remove-blocks", 1, "--eval-dataset", text, seqlen=60, prompt_tokens=60)
    expect_losses(result["steps"][0], oracle.search(oracle.load(model), segments_of(ids, 60), 1)[0])
    for option, lengths in {"--seqlen": (61, 0), "--prompt-tokens": (60, 61)}.items():
        for kind, source in calibration.items():
            done = sleb("prune", model, kind, source, "--seqlen", lengths[0], "--prompt-tokens", lengths[1],
                        "--eval-dataset", text, *EXACT)
            assert (done.returncode, done.stdout) == (2, "")
            assert done.stderr == (f"sleb: {option}: 61 tokens are more than the 60 positions that the model has "
                                   "learned; give at most 60\n")
    rotary = save_model(tmp_path / "rotary", max_position_embeddings=60)
    assert len(prune(rotary, ids, "--num-remove-blocks", 1, seqlen=100, prompt_tokens=61)["removal_list"]) == 1


@pytest.mark.minutes
@pytest.mark.parametrize("rounds", [1, pytest.param(6, marks=pytest.mark.slow)])
def test_the_reference_on_a_real_model(sleb_measured, shared, smollm2, rounds):
    """Rounds of the published code's search on SmolLM2, text and tokenizer included."""
    reference = json.loads(shared("reference/smollm2-sleb.json").read_text())
    text = shared("data/wikitext2/wiki.valid.raw")
    shown, peak = sleb_measured("prune", smollm2, "--dataset", text, "--segments", 2, "--num-remove-blocks", rounds, *EXACT,
                                "--prompt-tokens", 0, "--state-memory", "256M")
    result = json.loads(shown)
    for key in ("tokens", "ids_sha256", "seqlen", "segments", "seed"):
        assert result["calibration"][key] == reference["calibration"][key], key
    assert result["calibration"]["tokens"] == 9745
    assert result["removal_list"] == reference["removal_list"][:rounds] == [12, 26, 13, 14, 25, 5][:rounds]
    for step, expected in zip(result["steps"], reference["steps"][:rounds], strict=True):
        expect_losses(step, {candidate["block"]: candidate["loss"] for candidate in expected["candidates"]})
    assert peak < 1.5e9
