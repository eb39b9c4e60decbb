"""Logits of random models against transformers, with the variants of every family crossed."""
import itertools
import shutil
import struct

import gguf
import numpy as np
import pytest
import torch

import fp8_models
import oracle
from gguf_models import save_gguf
from tiny_models import (OPT, ROPES, VOCABULARY, drop_base_prefix, edit_json, edit_tensors, make_model, pairwise,
                         random_ids, save_model, spell_as_transformers_4, store_head)

TOLERANCE = 2e-4  # of logits that reach 5 to 15
REMOVALS = [(), (1, 3), (4, 0, 2)]

STORED = {"sharded": [False, True], "dtype": [torch.float32, torch.float16, torch.bfloat16]}
SHAPES = {"head_dim": [None, 24], "num_key_value_heads": [4, 2, 1], "tie_word_embeddings": [False, True]}
SPELLINGS = ["transformers 5", "rope_type", "type"]  # the last two: what transformers 4 wrote

LLAMA = pairwise({**SHAPES, **STORED,
                  "rope": list(ROPES), "tokens": [150, 40], "spelling": SPELLINGS,
                  "attention_bias": [False, True], "mlp_bias": [False, True],
                  "hidden_act": ["silu", "gelu", "gelu_pytorch_tanh", "relu"]})
MISTRAL = pairwise({**SHAPES, **STORED,
                    # Attention is computed in slices of at least 64 queries.
                    "sliding_window": [1, 5, 64, 100, 149, 4096, None], "tokens": [150, 40],
                    "rope": list(ROPES), "spelling": SPELLINGS})
CROSSED_OPT = pairwise({**STORED,
                        "hidden_size, num_attention_heads": [(64, 4), (63, 3), (60, 1), (62, 31)],
                        "word_embed_proj_dim": [None, 40, 80], "tie_word_embeddings": [False, True],
                        "do_layer_norm_before": [False, True], "_remove_final_layer_norm": [False, True],
                        "layer_norm_elementwise_affine": [False, True], "enable_bias": [False, True],
                        "activation_function": ["relu", "gelu", "gelu_new", "silu"], "tokens": [150, 40, 1],
                        "names": ["full", "without model."],
                        # Of a tied head: where the one matrix is stored.
                        "stored_head": ["as embedding", "as head", "as both"]})
GGUF = pairwise({"kind": ["F32", "F16", "Q8_0", "Q4_0"], "head_dim": [16, 32], "num_key_value_heads": [4, 2, 1],
                 "tie_word_embeddings": [False, True], "rope": ["default", "linear", "llama3"],
                 "attention_bias": [False, True], "mlp_bias": [False, True]})


def sleb_logits(logits_dump, tmp_path, model, ids, removals, dtype="float32") -> np.ndarray:
    """[removals, tokens, vocabulary]"""
    np.save(tmp_path / "ids.npy", ids)
    lists = [",".join(map(str, removed)) for removed in removals]
    content = logits_dump(model, tmp_path / "ids.npy", dtype, *lists)
    return np.frombuffer(content, "<f4").reshape(len(removals), len(ids), -1)


def expect_transformers_logits(logits_dump, tmp_path, model, ids, oracle_model=None) -> None:
    actual = sleb_logits(logits_dump, tmp_path, model, ids, REMOVALS)
    oracle_model = oracle_model or oracle.load(model)
    for logits, removed in zip(actual, REMOVALS):
        oracle.expect_close(logits, oracle.logits(oracle_model, ids, removed), TOLERANCE, f"without blocks {removed}")


def save_variant(folder, family, spelling="transformers 5", rope="default", sharded=False, **options):
    # 64 positions: 150 tokens are more and 40 are fewer than dynamic scaling's limit.
    save_model(folder, family, rope_parameters=ROPES[rope], max_position_embeddings=64,
               shard_size="60KB" if sharded else "1GB", **options)
    assert (folder / "model.safetensors.index.json").exists() == sharded
    if spelling != "transformers 5":
        spell_as_transformers_4(folder, spelling)
    return folder


@pytest.mark.sampled(25)
@pytest.mark.parametrize("family, variant",
                         [*zip(itertools.repeat("llama"), LLAMA), *zip(itertools.repeat("mistral"), MISTRAL)],
                         ids=[f"llama-{i}" for i in range(len(LLAMA))] + [f"mistral-{i}" for i in range(len(MISTRAL))])
def test_crossed_variants(logits_dump, tmp_path, family, variant):
    options = dict(variant)
    ids = random_ids(options.pop("tokens"))
    model = save_variant(tmp_path / "model", family, **options)
    expect_transformers_logits(logits_dump, tmp_path, model, ids)


OPT_EMBEDDING = "model.decoder.embed_tokens.weight"


def save_opt(folder, *, names="full", stored_head="as embedding", sharded=False, **options):
    if "hidden_size, num_attention_heads" in options:
        options["hidden_size"], options["num_attention_heads"] = options.pop("hidden_size, num_attention_heads")
    save_model(folder, "opt", max_position_embeddings=150, shard_size="60KB" if sharded else "1GB", **options)
    if options.get("tie_word_embeddings", True) and stored_head != "as embedding":
        store_head(folder, OPT_EMBEDDING, keep_embedding=stored_head == "as both")
    if names == "without model.":
        drop_base_prefix(folder)
    return folder


@pytest.mark.parametrize("variant", [*OPT.values(), *CROSSED_OPT],
                         ids=[*OPT, *(f"opt-{i}" for i in range(len(CROSSED_OPT)))])
def test_variants_of_opt(logits_dump, tmp_path, variant):
    options = dict(variant)
    ids = random_ids(options.pop("tokens", 150))
    model = save_opt(tmp_path / "model", **options)
    expect_transformers_logits(logits_dump, tmp_path, model, ids)


def shift_positions(model):
    table = model.model.decoder.embed_positions.weight.data
    table.copy_(table.roll(1, 0))


def norms_of(model):
    return [module for module in model.modules() if isinstance(module, torch.nn.LayerNorm)]


def set_norms(**changes):
    return lambda model: [vars(norm).update(changes) for norm in norms_of(model)]


def forget_norm_biases(model):
    for norm in norms_of(model):
        norm.bias.data.zero_()


def forget_one_bias(part):
    return lambda model: model.get_submodule(f"model.decoder.layers.2.{part}").bias.data.zero_()


def scale_queries(model):
    for block in oracle.blocks_of(model):
        block.self_attn.scaling *= 1.01


# What could be wrong in how OPT is computed.
OPT_MISTAKES = {
    "positions one off": shift_positions,
    "epsilon": set_norms(eps=1e-4),
    "no norm biases": forget_norm_biases,
    "queries scaled by 1% more": scale_queries,
    **{f"no bias of {part}": forget_one_bias(part) for part in ("self_attn.q_proj", "self_attn.v_proj",
                                                                 "self_attn.out_proj", "fc1", "fc2")},
}


# What post-norm divides by is large beside any epsilon.
@pytest.mark.parametrize("variant, name", [
    *(("pre-norm", name) for name in OPT_MISTAKES),
    *(("post-norm and projections", name) for name in OPT_MISTAKES if name != "epsilon")])
def test_the_tolerance_notices_mistakes_in_opt(variant, name):
    model = make_model("opt", max_position_embeddings=150, **OPT[variant])
    ids = random_ids(150)
    expected = oracle.logits(model, ids)
    assert 3 < np.abs(expected).max() < 30
    OPT_MISTAKES[name](model)
    assert np.abs(oracle.logits(model, ids) - expected).max() > 10 * TOLERANCE


# What sleb reads of a configuration, changed a little in its copy alone.
MISTAKES = {
    "window one too long": ({"sliding_window": 8}, {"sliding_window": 9}),
    "window one too short": ({"sliding_window": 8}, {"sliding_window": 7}),
    "window longer than a slice, one too long": ({"sliding_window": 70}, {"sliding_window": 71}),
    "no window": ({"sliding_window": 140}, {"sliding_window": None}),
    "activation": ({"hidden_act": "gelu"}, {"hidden_act": "gelu_pytorch_tanh"}),
    "epsilon": ({"rms_norm_eps": 1e-5}, {"rms_norm_eps": 1e-4}),
    "theta": ({"rope": "default"}, {"rope_theta": 510.0}),
    "factor of linear": ({"rope": "linear"}, {"factor": 2.51}),
    "factor of dynamic": ({"rope": "dynamic"}, {"factor": 3.05}),
    "factor of llama3": ({"rope": "llama3"}, {"factor": 8.2}),
    "low frequencies of llama3": ({"rope": "llama3"}, {"low_freq_factor": 1.05}),
    "high frequencies of llama3": ({"rope": "llama3"}, {"high_freq_factor": 4.1}),
    "positions of llama3": ({"rope": "llama3"}, {"original_max_position_embeddings": 97}),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_tolerance_notices_mistakes(logits_dump, tmp_path, name):
    """The test above can fail: small mistakes are at least ten times its tolerance."""
    options, mistake = MISTAKES[name]
    family = "mistral" if "sliding_window" in options else "llama"
    folder = save_variant(tmp_path / "model", family, **options)
    expected = oracle.logits(oracle.load(folder), random_ids(150))
    assert 3 < np.abs(expected).max() < 30
    if "rope" in options or "rope_theta" in mistake:
        mistake = {"rope_parameters": {**ROPES[options["rope"]], **mistake}}
    edit_json(folder / "config.json", **mistake)
    actual = sleb_logits(logits_dump, tmp_path, folder, random_ids(150), [()])[0]
    assert np.abs(actual - expected).max() > 10 * TOLERANCE


@pytest.mark.parametrize("variant", GGUF, ids=[f"gguf-{i}" for i in range(len(GGUF))])
def test_crossed_variants_of_gguf(logits_dump, tmp_path, variant):
    options = dict(variant)
    kind, rope = options.pop("kind"), options.pop("rope")
    model = save_gguf(tmp_path / "model.gguf", make_model(rope_parameters=ROPES[rope], **options), kind)
    expect_transformers_logits(logits_dump, tmp_path, tmp_path / "model.gguf", random_ids(150), model)


@pytest.mark.parametrize("kind", ["BF16", "F64", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
                                  "IQ4_NL", "IQ4_XS", "MXFP4", "TQ1_0", "TQ2_0"])
def test_every_type_of_gguf(logits_dump, tmp_path, kind):
    """The same as of the values that the wheel dequantises, to the bit."""
    rows_of_256 = gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType[kind]][0] == 256
    sizes = {"hidden_size": 256, "intermediate_size": 256, "num_attention_heads": 16} if rows_of_256 else {}
    model = save_gguf(tmp_path / "model.gguf", make_model(**sizes), kind)
    save_gguf(tmp_path / "plain.gguf", model, "F32")
    ids = random_ids(60)
    plain, actual = (sleb_logits(logits_dump, tmp_path, tmp_path / name, ids, [()])[0]
                     for name in ("plain.gguf", "model.gguf"))
    assert np.array_equal(actual, plain)
    oracle.expect_close(plain, oracle.logits(model, ids), 5 * TOLERANCE if rows_of_256 else TOLERANCE)


def test_a_split_gguf(logits_dump, tmp_path):
    model = save_gguf(tmp_path / "model.gguf", make_model(), "Q8_0", split_max_tensors=9)
    assert len(list(tmp_path.glob("*.gguf"))) == 6
    expect_transformers_logits(logits_dump, tmp_path, tmp_path / "model-00003-of-00006.gguf", random_ids(60), model)


@pytest.mark.parametrize("form", list(fp8_models.CONFIGS))
def test_8_bit_floats(logits_dump, tmp_path, form):
    """The same as of the same values stored plainly, to the bit."""
    plain = save_model(tmp_path / "plain")
    fp8_models.save_fp8(tmp_path / "fp8", plain, form)
    ids = random_ids(60)
    assert np.array_equal(sleb_logits(logits_dump, tmp_path, tmp_path / "fp8", ids, REMOVALS),
                          sleb_logits(logits_dump, tmp_path, plain, ids, REMOVALS))


def test_blocks_with_windows_and_without(logits_dump, tmp_path):
    """A Mistral configuration with layer_types gives each block its own kind of attention."""
    model = save_model(tmp_path / "model", "mistral", sliding_window=7)
    kinds = ["full_attention", "sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]
    edit_json(model / "config.json", layer_types=kinds)
    expect_transformers_logits(logits_dump, tmp_path, model, random_ids(150))


def test_absent_members_have_their_defaults(logits_dump, tmp_path):
    """As a LLaMA 1 configuration, from before these members were there."""
    model = save_model(tmp_path / "model", num_key_value_heads=4, rope_parameters={"rope_type": "default",
                                                                                  "rope_theta": 10000.0})
    edit_json(model / "config.json", num_key_value_heads=..., head_dim=..., attention_bias=..., mlp_bias=...,
              rope_parameters=..., dtype=..., tie_word_embeddings=...)
    expect_transformers_logits(logits_dump, tmp_path, model, random_ids(150))


def test_mistral_defaults(logits_dump, tmp_path):
    """Eight key/value heads, where LLaMA's configuration would mean as many as heads."""
    model = save_model(tmp_path / "model", "mistral", num_attention_heads=16, num_key_value_heads=8, head_dim=4)
    edit_json(model / "config.json", num_key_value_heads=..., sliding_window=..., head_dim=None)
    expect_transformers_logits(logits_dump, tmp_path, model, random_ids(150))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_misaligned_weights(logits_dump, tmp_path, dtype):
    model = save_model(tmp_path / "model", dtype=dtype)
    moved = shutil.copytree(model, tmp_path / "moved")
    content = (model / "model.safetensors").read_bytes()
    length, = struct.unpack_from("<Q", content)
    header = content[8:8 + length] + b" "
    (moved / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + content[8 + length:])
    ids = random_ids(50)
    assert np.array_equal(sleb_logits(logits_dump, tmp_path, moved, ids, REMOVALS),
                          sleb_logits(logits_dump, tmp_path, model, ids, REMOVALS))


def test_constants_of_old_checkpoints_are_ignored(logits_dump, tmp_path):
    """rotary_emb.inv_freq in every block, and a head beside a tied embedding, as transformers ignores them."""
    model = save_model(tmp_path / "model", tie_word_embeddings=True)
    add_constants = lambda tensors: tensors.update({
        f"model.layers.{block}.self_attn.rotary_emb.inv_freq": torch.ones(8) for block in range(5)})
    edit_tensors(model, add_constants)
    store_head(model, "model.embed_tokens.weight", keep_embedding=True)
    expect_transformers_logits(logits_dump, tmp_path, model, random_ids(50))


BUFFERS = {
    "rotary tables": {f"model.layers.{block}.self_attn.rotary_emb.{name}": torch.ones(1, 1, 8, 8)
                      for block in range(6) for name in ("cos_cached", "sin_cached")},
    "rotary frequencies": {"model.rotary_emb.inv_freq": torch.ones(8), "rotary_emb.inv_freq": torch.ones(8),
                           "model.layers.9.self_attn.rotary_emb.inv_freq": torch.ones(8)},
    "causal masks": {"model.layers.0.self_attn.bias": torch.ones(1, 1, 8, 8),
                     "model.layers.1.attn.bias": torch.ones(1, 1, 8, 8).tril().bool(),
                     "model.layers.2.attention.masked_bias": torch.tensor(-1e9),
                     "model.layers.3.self_attn.causal_mask": torch.ones(8, 8)},
    "positions": {"model.position_ids": torch.arange(8), "model.embeddings.position_ids": torch.arange(8.0)[None]},
}


@pytest.mark.parametrize("name", BUFFERS)
def test_buffers_are_ignored_wherever_they_stand(logits_dump, tmp_path, name):
    model = save_model(tmp_path / "model")
    expected = oracle.load(model)
    edit_tensors(model, lambda tensors: tensors.update(BUFFERS[name]))
    expect_transformers_logits(logits_dump, tmp_path, model, random_ids(50), expected)


@pytest.mark.parametrize("name, shape", [("model.layers.0.self_attn.bias", (64,)), ("model.masked_bias.weight", (1,)),
                                         ("model.layers.9.mlp.up_proj.weight", (96, 64)),
                                         ("model.layers.0.self_attn.q_norm.weight", (16,))])
def test_weights_too_many_are_not_buffers(sleb, tmp_path, name, shape):
    model = save_model(tmp_path / "model")
    edit_tensors(model, lambda tensors: tensors.update({name: torch.zeros(shape)}))
    done = sleb("info", model)
    assert done.returncode == 2 and f"'{name}' is not part of this llama model" in done.stderr


@pytest.mark.parametrize("stored, other", [(torch.bfloat16, torch.float32), (torch.float16, torch.float64),
                                           (torch.float32, torch.float64)])
@pytest.mark.parametrize("head_is_wider", [True, False])
def test_a_tied_head_of_another_type(logits_dump, tmp_path, stored, other, head_is_wider):
    """Equal values are one matrix, however both are stored."""
    model = save_model(tmp_path / "model", tie_word_embeddings=True, dtype=stored, vocab_size=1200)
    embedding = "model.embed_tokens.weight"
    store_head(model, embedding, keep_embedding=True)
    wide = "lm_head.weight" if head_is_wider else embedding
    edit_tensors(model, lambda tensors: tensors.update({wide: tensors[wide].to(other)}))
    expect_transformers_logits(logits_dump, tmp_path, model, random_ids(50))


def test_float64(logits_dump, tmp_path):
    """Rounded to float32, as transformers does."""
    model = save_model(tmp_path / "model", dtype=torch.float64, shard_size="100KB")
    expect_transformers_logits(logits_dump, tmp_path, model, random_ids(50))


def test_llama_without_the_base_prefix(logits_dump, tmp_path):
    model = save_model(tmp_path / "model", tie_word_embeddings=True)
    drop_base_prefix(model)
    expect_transformers_logits(logits_dump, tmp_path, model, random_ids(50))


@pytest.mark.parametrize("variant", ["pre-norm", "post-norm and projections"])
@pytest.mark.parametrize("dtype, tolerance", [("bfloat16", 0.05), ("float16", 0.01)])
def test_narrow_compute_types_are_near_in_opt(logits_dump, tmp_path, variant, dtype, tolerance):
    model = save_opt(tmp_path / "model", **OPT[variant])
    ids = random_ids(60)
    wide, narrow = (sleb_logits(logits_dump, tmp_path, model, ids, [()], kind) for kind in ("float32", dtype))
    error = np.abs(narrow - wide).mean() / np.abs(wide).mean()
    assert 0 < error < tolerance


@pytest.mark.parametrize("dtype, tolerance", [("bfloat16", 0.05), ("float16", 0.01)])
def test_narrow_compute_types_are_near(logits_dump, tmp_path, dtype, tolerance):
    model = save_model(tmp_path / "model")
    ids = random_ids(60)
    wide, narrow = (sleb_logits(logits_dump, tmp_path, model, ids, [()], kind) for kind in ("float32", dtype))
    error = np.abs(narrow - wide).mean() / np.abs(wide).mean()
    assert 0 < error < tolerance


def test_one_token(logits_dump, tmp_path):
    model = save_model(tmp_path / "model", vocab_size=VOCABULARY)
    expect_transformers_logits(logits_dump, tmp_path, model, np.array([5]))
