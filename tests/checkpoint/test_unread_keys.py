"""Members of config.json and GGUF metadata that are not read: warned of once, or refused where they change the model."""
import json
import shutil

import pytest
import transformers

import oracle
from gguf_models import BYTE_TOKENS, save_gguf
from tiny_models import edit_json, make_model, random_ids, save_model, save_tokenizer

FAMILIES = ["llama", "mistral", "opt"]

# What transformers 4.57's PretrainedConfig wrote or took, with its defaults.
TRANSFORMERS_4 = {
    "_attn_implementation_autoset": True, "_name_or_path": "x", "add_cross_attention": False, "bad_words_ids": None,
    "begin_suppress_tokens": None, "chunk_size_feed_forward": 0, "cross_attention_hidden_size": None,
    "decoder_start_token_id": None, "diversity_penalty": 0.0, "do_sample": False, "early_stopping": False,
    "encoder_no_repeat_ngram_size": 0, "exponential_decay_length_penalty": None, "finetuning_task": None,
    "forced_bos_token_id": None, "forced_eos_token_id": None, "id2label": {"0": "LABEL_0"}, "is_decoder": False,
    "is_encoder_decoder": False, "label2id": {"LABEL_0": 0}, "length_penalty": 1.0, "max_length": 20, "min_length": 0,
    "no_repeat_ngram_size": 0, "num_beam_groups": 1, "num_beams": 1, "num_return_sequences": 1,
    "output_attentions": False, "output_hidden_states": False, "output_scores": False, "prefix": "</s>",
    "problem_type": None, "pruned_heads": {}, "remove_invalid_values": False, "repetition_penalty": 1.0,
    "return_dict": True, "return_dict_in_generate": False, "sep_token_id": None, "suppress_tokens": None,
    "task_specific_params": None, "temperature": 1.0, "tf_legacy_loss": False, "tie_encoder_decoder": False,
    "tokenizer_class": "LlamaTokenizer", "top_k": 50, "top_p": 1.0, "torch_dtype": "float32", "torchscript": False,
    "typical_p": 1.0, "use_bfloat16": False, "use_cache": True,
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {family: save_tokenizer(save_model(folder / family, family)) for family in FAMILIES}


@pytest.fixture
def changed(models, tmp_path):
    def make(family="llama", **changes):
        folder = shutil.copytree(models[family], tmp_path / "model")
        edit_json(folder / "config.json", **changes)
        return folder

    return make


def warnings_of(sleb, model) -> list[str]:
    done = sleb("info", model, "--json", "-")
    assert done.returncode == 0, done.stderr
    warnings = json.loads(done.stdout)["warnings"]
    assert done.stderr.splitlines() == [f"warning: {warning}" for warning in warnings]
    return warnings


@pytest.mark.parametrize("family", FAMILIES)
def test_members_of_the_configuration_classes_pass(sleb, models, changed, family):
    whole = type(transformers.AutoConfig.for_model(family))().to_dict()
    sizes = json.loads((models[family] / "config.json").read_text())
    assert warnings_of(sleb, changed(family, **{**whole, **TRANSFORMERS_4, **sizes})) == []


@pytest.mark.parametrize("family", FAMILIES)
def test_others_are_named_once(sleb, changed, family):
    model = changed(family, drop_attn_list=[1], attention_multiplier=0.5, unset=None)
    [warning] = warnings_of(sleb, model)
    for words in (str(model / "config.json"), "'attention_multiplier', 'drop_attn_list'", "ForCausalLM"):
        assert words in warning
    assert "unset" not in warning


def test_every_command_warns(sleb, changed, tmp_path):
    model = changed(drop_attn_list=[1])
    (tmp_path / "text.txt").write_text("some text " * 30)
    for command in (("eval", model, "--ppl", tmp_path / "text.txt", "--seqlen", 64),
                    ("prune", model, "--dataset", tmp_path / "text.txt", "--seqlen", 64, "--num-remove-blocks", 1),
                    ("latency", model, "--batch-size", 1, "--prompt-tokens", 4, "--new-tokens", 2, "--repeats", 1),
                    ("generate", model, "--prompt", "a", "--max-new-tokens", 2),
                    ("export", model, "--removal-list", "1", "--out", tmp_path / "out")):
        done = sleb(*command)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("warning: ") == 1 and "drop_attn_list" in done.stderr, command
        assert "drop_attn_list" not in done.stdout


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_to_later_tokens_is_refused(sleb, changed, family):
    """transformers computes other logits."""
    model = changed(family)
    ids = random_ids(20)
    causal = oracle.logits(oracle.load(model), ids)
    edit_json(model / "config.json", is_causal=False)
    assert abs(oracle.logits(oracle.load(model), ids) - causal).max() > 0.1
    done = sleb("info", model)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "is_causal" in done.stderr
    edit_json(model / "config.json", is_causal=True)
    assert warnings_of(sleb, model) == []


def test_blocks_with_settings_of_their_own_are_refused(sleb, changed):
    done = sleb("info", changed(per_layer_config={"1": {"num_attention_heads": 2}}))
    assert done.returncode == 2 and "per_layer_config" in done.stderr


def test_own_code(sleb, changed, tmp_path):
    """The code is not copied, so nothing may ask for it."""
    model = changed(auto_map={"AutoModelForCausalLM": "modeling_own.OwnForCausalLM"})
    (model / "modeling_own.py").write_text("raise RuntimeError('must not run')")
    [warning] = warnings_of(sleb, model)
    assert "auto_map" in warning and "LlamaForCausalLM" in warning
    done = sleb("export", model, "--removal-list", "1,3", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "auto_map is left out" in done.stderr
    assert "auto_map" not in json.loads((tmp_path / "out" / "config.json").read_text())
    assert not list((tmp_path / "out").glob("*.py"))
    ids = random_ids(20)
    pruned = oracle.load(tmp_path / "out", trust_remote_code=True)
    oracle.expect_close(oracle.logits(pruned, ids), oracle.logits(oracle.load(model), ids, (1, 3)), 2e-4)


# GGUF

CHANGES = {
    "llama.attention.scale": 0.5, "llama.attention.clamp_kqv": 8.0, "llama.attention.max_alibi_bias": 8.0,
    "llama.logit_scale": 2.0, "llama.residual_scale": 0.5, "llama.embedding_scale": 12.0,
    "llama.attn_logit_softcapping": 50.0, "llama.final_logit_softcapping": 30.0, "llama.rope.scaling.attn_factor": 1.5,
    "llama.rope.scaling.alpha": 1000.0, "llama.rope.scaling.yarn_ext_factor": 1.0,
    "llama.attention.causal": False, "llama.use_parallel_residual": True, "llama.attention.value_length": 8,
}
OFF = {
    "llama.attention.scale": 0.0, "llama.attention.clamp_kqv": 0.0, "llama.logit_scale": 1.0,
    "llama.residual_scale": 0.0, "llama.embedding_scale": 1.0, "llama.rope.scaling.attn_factor": 1.0,
    "llama.expert_count": 0, "llama.expert_used_count": 0, "llama.attention.causal": True,
    "llama.attention.value_length": 16, "llama.attention.key_length": 16, "llama.tensor_data_layout": "Meta AI original pth",
}


@pytest.fixture
def gguf_with(tmp_path):
    def make(metadata, **options):
        save_gguf(tmp_path / "model.gguf", make_model(), metadata=metadata, **options)
        return tmp_path / "model.gguf"

    return make


@pytest.mark.parametrize("key", CHANGES)
def test_metadata_that_changes_the_model_is_refused(sleb, gguf_with, key):
    done = sleb("info", gguf_with({key: CHANGES[key]}))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert key in done.stderr


@pytest.mark.parametrize("key, message", [("llama.expert_used_count", "no tensor blk.0.ffn_down_exps.weight"),
                                          (None, "llama.expert_used_count")])
def test_a_llama_with_experts_is_a_mixture(sleb, gguf_with, key, message):
    done = sleb("info", gguf_with({"llama.expert_count": 8} | ({key: 2} if key else {})))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert message in done.stderr


def test_metadata_that_is_off_passes(sleb, gguf_with):
    assert warnings_of(sleb, gguf_with(OFF)) == []


def test_other_metadata_is_named_once(sleb, gguf_with):
    [warning] = warnings_of(sleb, gguf_with({"llama.attention.sliding_window": 4096, "llama.mystery": 1}))
    assert "'llama.attention.sliding_window', 'llama.mystery'" in warning


def test_a_vocabulary_without_pre_tokenizer(sleb, gguf_with, tmp_path):
    model = gguf_with({"tokenizer.ggml.pre": ...}, tokens=BYTE_TOKENS)
    [warning] = warnings_of(sleb, model)
    assert "tokenizer.ggml.pre" in warning
    (tmp_path / "text").write_text("text")
    assert "tokenizer.ggml.pre" in sleb("tokenize", model, tmp_path / "text").stderr
    assert warnings_of(sleb, gguf_with({}, tokens=BYTE_TOKENS)) == []


def test_no_epsilon(sleb, gguf_with):
    done = sleb("info", gguf_with({"llama.attention.layer_norm_rms_epsilon": ...}))
    assert done.returncode == 2 and "llama.attention.layer_norm_rms_epsilon" in done.stderr and "missing" in done.stderr


PER_BLOCK = {"llama.attention.head_count": 4, "llama.attention.head_count_kv": 2, "llama.feed_forward_length": 96}


@pytest.mark.parametrize("key", PER_BLOCK)
def test_numbers_for_each_block(sleb, gguf_with, key):
    value = PER_BLOCK[key]
    assert warnings_of(sleb, gguf_with({key: [value] * 5})) == []
    for values, words in (([value] * 4 + [2 * value], f"{value} in block 0 and {2 * value} in block 4"),
                          ([value] * 4, "4 values for 5 blocks"), ([value] * 6, "6 values for 5 blocks")):
        done = sleb("info", gguf_with({key: values}))
        assert done.returncode == 2 and key in done.stderr and words in done.stderr
