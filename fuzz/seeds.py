"""Writes the fuzz targets' seeds: small good files of every kind, made by the formats' own libraries.

usage: fuzz/seeds.py FOLDER        # FOLDER/TARGET/NAME
"""
import gzip
import io
import json
import pathlib
import sys
import tempfile

import gguf
import numpy as np
import safetensors.numpy
import safetensors.torch
import sentencepiece
import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "tokenizer"))
import chat_styles  # noqa: E402
import jinja_snippets  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "hub"))
import data_cards  # noqa: E402

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests"))
import packed_models  # noqa: E402

TEXT = ["The quick brown fox's 12 dogs.\n", "été 한글 👩‍🚀 naïve ﬁne\t\tx = y ** 2"]
SIZES = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2,
         "num_key_value_heads": 1, "head_dim": 4, "vocab_size": 6, "max_position_embeddings": 64}


def safetensors_seeds() -> dict[str, bytes]:
    tensors = {"a": np.ones((2, 3), np.float32), "b.weight": np.ones(4, np.float16), "ids": np.arange(3)}
    return {"three": safetensors.numpy.save(tensors, metadata={"format": "pt"}),
            "empty": safetensors.numpy.save({}),
            "scalar": safetensors.numpy.save({"s": np.array(1, np.float32), "none": np.ones((0, 5), np.float16)})}


def packed_seeds() -> dict[str, bytes]:
    """A module of fuzz/packed.cpp's model in each form."""
    prefix = "model.layers.0.mlp.up_proj."  # [64, 32]
    seeds = {}
    for name, (config, make) in packed_models.FORMS.items():
        if config.get("version") == "gemv" or config.get("group_size") == 64:
            continue
        parts, _ = make(packed_models.Random(0), 64, 32)
        tensors = {prefix + part: tensor if isinstance(tensor, torch.Tensor) else torch.tensor(np.ascontiguousarray(tensor))
                   for part, tensor in parts.items()}
        content = safetensors.torch.save({part: tensor.contiguous() for part, tensor in tensors.items()})
        seeds[name.replace(" ", "_").replace(",", "")] = json.dumps(config).encode() + b"\0" + content
    return seeds


def index_seeds() -> dict[str, bytes]:
    def index(weight_map: dict) -> bytes:
        return json.dumps({"metadata": {"total_size": 8}, "weight_map": weight_map}).encode()

    return {"good": index({"a": "a.safetensors", "b": "b.safetensors"}), "one": index({"a": "./a.safetensors"}),
            "climbs": index({"a": "../a.safetensors"}), "link": index({"a": "link.safetensors"}),
            "folder": index({"a": "folder", "b": "folder/b.safetensors"})}


def gguf_bytes(add) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "x.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        add(writer)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()


def add_values(writer: gguf.GGUFWriter) -> None:
    for kind, value in (("uint8", 1), ("int8", -1), ("uint16", 2), ("int16", -2), ("uint32", 3), ("int32", -3),
                        ("uint64", 4), ("int64", -4), ("float32", 0.5), ("float64", 0.1), ("bool", True),
                        ("string", "é"), ("array", [1, 2]), ("array", ["a", "b"]), ("array", [0.5]), ("array", [True])):
        getattr(writer, f"add_{kind}")(f"{kind}.{value}", value)
    for kind in ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K",
                 "IQ4_NL", "IQ4_XS", "MXFP4"):
        quantization = gguf.GGMLQuantizationType[kind]
        _, block_bytes = gguf.GGML_QUANT_SIZES[quantization]
        kind_bytes = np.arange(block_bytes, dtype=np.uint8).reshape(1, -1)
        writer.add_tensor(kind, kind_bytes, raw_dtype=quantization)


def add_model(writer: gguf.GGUFWriter) -> None:
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(8)
    writer.add_feed_forward_length(12)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(4)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(["a", "b", "ab", "Ġ", "1", "<s>"])
    writer.add_token_types([1, 1, 1, 1, 1, 3])
    writer.add_token_merges(["a b"])
    writer.add_bos_token_id(5)
    writer.add_eos_token_id(5)
    shapes = {"attn_norm": (8,), "ffn_norm": (8,), "attn_q": (8, 8), "attn_k": (4, 8), "attn_v": (4, 8),
              "attn_output": (8, 8), "ffn_gate": (12, 8), "ffn_up": (12, 8), "ffn_down": (8, 12)}
    for name, shape in shapes.items():
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(shape, np.float16))
    writer.add_tensor("token_embd.weight", np.ones((6, 8), np.float16))
    writer.add_tensor("output_norm.weight", np.ones(8, np.float32))
    writer.add_tensor("rope_freqs.weight", np.ones(2, np.float32))


def config_seeds() -> dict[str, bytes]:
    llama = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], **SIZES, "rms_norm_eps": 1e-5,
             "hidden_act": "silu", "attention_bias": False, "tie_word_embeddings": True, "dtype": "bfloat16"}
    rope = {"rope_type": "llama3", "rope_theta": 1e4, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 96}
    configs = {"llama": llama, "llama3": {**llama, "rope_parameters": rope},
               "llama2": {**llama, "rope_theta": 1e4, "rope_scaling": {"type": "linear", "factor": 2}},
               "mistral": {**llama, "model_type": "mistral", "sliding_window": 9,
                           "layer_types": ["full_attention", "sliding_attention"]},
               "opt": {"model_type": "opt", "hidden_size": 8, "ffn_dim": 12, "num_hidden_layers": 2,
                       "num_attention_heads": 2, "vocab_size": 6, "max_position_embeddings": 64,
                       "word_embed_proj_dim": 4, "do_layer_norm_before": False, "activation_function": "relu"}}
    return {name: json.dumps(config).encode() for name, config in configs.items()}


def tokenizer_seeds() -> dict[str, bytes]:
    split = pre_tokenizers.Split
    cases = {
        "bytes": (models.BPE(), None, pre_tokenizers.ByteLevel(add_prefix_space=True), decoders.ByteLevel()),
        "regex": (models.BPE(), normalizers.NFC(), pre_tokenizers.Sequence(
            [split(Regex(r"\p{N}{1,3}| ?\p{L}+|\s+(?!\S)|\s+"), "isolated"), split("-", "merged_with_next"),
             pre_tokenizers.Digits(True), pre_tokenizers.ByteLevel(False, use_regex=False)]), decoders.ByteLevel()),
        "metaspace": (models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True), normalizers.Sequence(
            [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Strip(), normalizers.Prepend("▁"),
             normalizers.Replace(" ", "▁")]), pre_tokenizers.Metaspace(), decoders.Metaspace()),
        "words": (models.BPE(unk_token="<unk>"), normalizers.NFD(), pre_tokenizers.Sequence(
            [pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation()]), None),
        "unigram": (models.Unigram(), None, pre_tokenizers.Metaspace(), decoders.Metaspace()),
    }
    seeds = {}
    for name, (model, normalizer, pre_tokenizer, decoder) in cases.items():
        tokenizer = Tokenizer(model)
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = pre_tokenizer
        if decoder:
            tokenizer.decoder = decoder
        special = ["<unk>", "<s>"]
        trainer = trainers.UnigramTrainer(vocab_size=80, special_tokens=special, unk_token="<unk>",
                                          show_progress=False) if name == "unigram" else \
            trainers.BpeTrainer(vocab_size=80, special_tokens=special, show_progress=False)
        tokenizer.train_from_iterator(TEXT, trainer)
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
        seeds[name] = json.dumps(json.loads(tokenizer.to_str()), separators=(",", ":")).encode()
    return seeds


def vocab_merges_seeds() -> dict[str, bytes]:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=60, special_tokens=["<s>", "</s>", "<unk>"],
                                                            show_progress=False))
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = json.dumps(model["vocab"], ensure_ascii=False).encode()
    merges = "#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair in model["merges"])
    configs = {"gpt2": {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False, "unk_token": "<unk>"},
               "opt": {"tokenizer_class": "GPT2Tokenizer", "bos_token": {"content": "</s>", "__type": "AddedToken"},
                       "add_bos_token": True, "added_tokens_decoder": {"1": {"content": "</s>", "special": True}}}}
    return {name: b"\0".join([vocabulary, merges.encode(), json.dumps(config).encode()])
            for name, config in configs.items()}


def sentencepiece_seeds() -> dict[str, bytes]:
    seeds = {}
    for kind in ("bpe", "unigram"):
        for byte_fallback in (False, True):
            content = io.BytesIO()
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(TEXT * 20), model_writer=content, model_type=kind, minloglevel=2,
                vocab_size=320 if byte_fallback else 50, byte_fallback=byte_fallback, hard_vocab_limit=False,
                user_defined_symbols=["<sep>"], normalization_rule_name="identity" if byte_fallback else "nmt_nfkc")
            seeds[f"{kind}{byte_fallback:d}"] = content.getvalue()
    return seeds


def chat_template_seeds() -> dict[str, bytes]:
    """Those of the tests; expressions by the line."""
    snippets = [jinja_snippets.TEXT_AND_BLANKS, jinja_snippets.CONDITIONS_AND_LOOPS, jinja_snippets.NAMES_AND_MACROS]
    texts = [*chat_styles.STYLES.values(), *(snippet for group in snippets for snippet in group),
             *("{{ " + part.strip() + " }}" for part in jinja_snippets.EXPRESSIONS.split(" | "))]
    return {str(i): text.encode() for i, text in enumerate(texts)}


def npy_seeds() -> dict[str, bytes]:
    seeds = {}
    for kind in ("<i8", "<i4", "<u4", "<u2"):
        content = io.BytesIO()
        np.save(content, np.arange(6, dtype=kind).reshape(2, 3))
        seeds[kind[1:]] = content.getvalue()
    content = io.BytesIO()
    np.lib.format.write_array(content, np.arange(3), version=(3, 0))
    return {**seeds, "version3": content.getvalue()}


def rows_seeds() -> dict[str, bytes]:
    lines = "".join(json.dumps({"text": text, "url": "u"}, ensure_ascii=False) + "\n" for text in TEXT).encode()
    table = b'text,"n, m"\r\n"one, ""two""\nthree",1\r\n\r\nNA,2.5\r\n'
    return {"lines": lines, "table": table, "gz": gzip.compress(lines, mtime=0),
            "members": gzip.compress(lines[:20], mtime=0) + bytes(8) + gzip.compress(lines[20:], mtime=0)}


def dataset_card_seeds() -> dict[str, bytes]:
    """The cards of the tests."""
    return {str(i): f"---\n{yaml}---\n".encode() for i, yaml in enumerate(data_cards.CARDS)}


def recipe_seeds() -> dict[str, bytes]:
    def result(**members) -> bytes:
        return json.dumps({"model": "org/name@main", "num_blocks": 6, "removal_list": [4, 1], **members}).encode()

    return {"good": result(commit="abc"), "gguf": result(model="org/name:Q4_K_M"), "repaired": result(repair={}),
            "halves": result(removal_list=["1.mlp", "2.attention", 3]),
            "steps": result(steps=[{"removed": 4}, {"removed": 1}]),
            "sets": result(best_sets=[{"blocks": 1, "removal_list": [2]}, {"blocks": 2, "removal_list": [1, 4]}])}


def report_seeds() -> dict[str, bytes]:
    def score(tokens: int, difference: float, **what) -> dict:
        return {"loss": 310.5, "kl": 0.1, "segments": 2, "tokens": tokens, "difference": difference,
                "difference_stderr": 0.01, **what}

    result = {"model": "m", "num_blocks": 4, "dtype": "float32", "device": "cpu", "search": "race", "confidence": 0.999,
              "criterion": "loss", "units": "block", "dense_loss": 300, "removal_list": [2], "seconds": 1.5,
              "calibration": {"dataset": "t.txt", "segments": 2, "seqlen": 50, "seed": 3},
              "steps": [{"removed": 2, "loss": 310.5, "seconds": 1,
                         "candidates": [score(60, 0.4, block=1), score(100, 0, block=2)]}]}
    best = {"races": [{"step": "runs of 1", "best": [2], "seconds": 1, "candidates": [score(100, 0, blocks=[2])]}],
            "best_sets": [{"blocks": 1, "removal_list": [2], "loss": 310.5, "kl": 0.1}]}
    row = {"perplexity": 20.5, "perplexity_stderr": 1.5}
    more = {"evaluation": {"perplexity_details": {"w": {"segments": 2, "seqlen": 50, "rows": [row, row]}},
                           "results": {"piqa": {"acc": 0.6, "acc_stderr": 0.1}},
                           "n-samples": {"piqa": {"effective": 8}}, "pruned": []},
            "prompt_speed": {"prompt_tokens": 8, "dense_tokens_per_second": 9, "pruned_tokens_per_second": 9.5},
            "repaired_loss": 305, "repair": {"matrices": [{"ridge": 0.3}], "seconds": 1}}
    return {name: json.dumps({**result, **members}).encode()
            for name, members in {"greedy": {}, "best": best, "evaluated": more}.items()}


def main() -> None:
    seeds = {"safetensors": safetensors_seeds(), "safetensors_index": index_seeds(),
             "packed": packed_seeds(),
             "gguf": {"values": gguf_bytes(add_values), "model": gguf_bytes(add_model)}, "config": config_seeds(),
             "tokenizer": tokenizer_seeds(), "vocab_merges": vocab_merges_seeds(),
             "sentencepiece": sentencepiece_seeds(), "npy": npy_seeds(), "rows": rows_seeds(),
             "chat_template": chat_template_seeds(), "dataset_card": dataset_card_seeds(),
             "recipe": recipe_seeds(), "report": report_seeds()}
    for target, files in seeds.items():
        folder = pathlib.Path(sys.argv[1]) / target
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
