"""Folders of tokenizer files as the families of language models publish them, trained small."""
import copy
import dataclasses
import json
import pathlib
from collections.abc import Callable

from kinds import (BLOOM_PATTERN, BYTES, FALCON, GPT2, LLAMA2_NORMALIZER, LLAMA3, QWEN2_PATTERN, TEKKEN_PATTERN, added_token,
                   bytes_fallback, pre_tokenizers, replace, split, tokenizer_json)  # fmt: skip
from training import Training

DIGITS = pre_tokenizers({"type": "Digits", "individual_digits": True}, GPT2)
NFC = {"type": "NFC"}
QWEN2 = pre_tokenizers(split(QWEN2_PATTERN), BYTES)
BLOOM = pre_tokenizers(split(BLOOM_PATTERN), BYTES)
TEKKEN = pre_tokenizers(split(TEKKEN_PATTERN), BYTES)


@dataclasses.dataclass(frozen=True)
class Published:
    """What a family's folder holds: the type in config.json, the class that tokenizer_config.json names, and the
    tokenizer.json; `specials`: its special tokens, which stand in a text's front where `prefix` names them."""

    model_type: str
    tokenizer_class: str
    pre_tokenizer: dict | None
    normalizer: dict | None = None
    specials: tuple[str, ...] = ("<|endoftext|>",)
    prefix: tuple[str, ...] = ()
    pieces: bool = False  # SentencePiece's spelling, with byte fallback; else bytes
    ignore_merges: bool = False
    config: dict = dataclasses.field(default_factory=dict)

    def document(self, training: Training) -> dict:
        if self.pieces:
            model = bytes_fallback(training)
        else:
            model = {**training.byte_level(json.dumps(self.pre_tokenizer)), "ignore_merges": self.ignore_merges}
        added = [added_token(token, special=True) for token in ("<unk>", *self.specials)]
        return tokenizer_json(model, self.normalizer, self.pre_tokenizer, [*self.prefix, "$A"] if self.prefix else None, added)


END = {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
TURNS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
QWEN = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": None, "unk_token": None,
        "add_bos_token": False, "add_prefix_space": False, "split_special_tokens": False,
        "additional_special_tokens": ["<|im_start|>", "<|im_end|>"]}  # fmt: skip
GEMMA = Published("gemma", "GemmaTokenizer", split(" ", "MergedWithPrevious", regex=False), replace(" ", "▁"),
                  ("<bos>", "<eos>", "<pad>", "<start_of_turn>", "<end_of_turn>"), ("<bos>",), pieces=True,
                  config={"bos_token": "<bos>", "eos_token": "<eos>", "add_bos_token": True, "add_eos_token": False,
                          "additional_special_tokens": ["<start_of_turn>", "<end_of_turn>"]})  # fmt: skip
LLAMA_STYLE = Published("minicpm", "LlamaTokenizer", None, LLAMA2_NORMALIZER, ("<s>", "</s>", "<|user|>"), ("<s>",),
                        pieces=True, config={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>",
                                             "add_bos_token": True, "legacy": True})  # fmt: skip
GLM = Published("glm4", "PreTrainedTokenizerFast", LLAMA3, None, ("<|endoftext|>", "[gMASK]", "<sop>", "<|user|>"),
                ("[gMASK]", "<sop>"), config={"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>",
                                              "additional_special_tokens": ["[gMASK]", "<sop>", "<|user|>"]})  # fmt: skip
COHERE = Published("cohere", "CohereTokenizerFast", DIGITS, NFC,
                   ("<PAD>", "<UNK>", "<CLS>", "<SEP>", "<MASK_TOKEN>", "<BOS_TOKEN>", "<|END_OF_TURN_TOKEN|>"),
                   ("<BOS_TOKEN>",), config={"bos_token": "<BOS_TOKEN>", "eos_token": "<|END_OF_TURN_TOKEN|>",
                                             "add_bos_token": True, "add_prefix_space": False})  # fmt: skip
NEOX = Published("gpt_neox", "GPTNeoXTokenizer", GPT2, NFC, ("<|endoftext|>", "<|padding|>"), config=END)


def like(published: Published, **changes) -> Published:
    return dataclasses.replace(published, **changes)


FAMILIES = {
    "Qwen2": Published("qwen2", "Qwen2Tokenizer", QWEN2, NFC, TURNS, config=QWEN),
    "Qwen3": Published("qwen3", "Qwen2Tokenizer", QWEN2, NFC, (*TURNS, "<think>"), config=QWEN),
    "Gemma": GEMMA,
    "Gemma 2": like(GEMMA, model_type="gemma2"),
    "Gemma 3": like(GEMMA, model_type="gemma3_text"),
    "Gemma 3 with images": like(GEMMA, model_type="gemma3", specials=(*GEMMA.specials, "<image_soft_token>"), config={
        **GEMMA.config, "extra_special_tokens": {"image_token": "<image_soft_token>", "boi_token": "<start_of_image>"}}),
    "Phi-2": Published("phi", "CodeGenTokenizer", GPT2, config={**END, "add_prefix_space": False}),
    "Phi-3": like(LLAMA_STYLE, model_type="phi3", config={**LLAMA_STYLE.config, "legacy": False, "added_tokens_decoder": {
        "900": {**added_token("<|end|>", "0100", True)}, "901": {**added_token("</s>", "0100")}}}),
    "Phi-4": Published("phi3", "GPT2Tokenizer", LLAMA3, None, TURNS, config={**END, "add_prefix_space": False}),
    "GPT-2": Published("gpt2", "GPT2Tokenizer", GPT2, config=END),
    "GPT-NeoX": NEOX,
    "Pythia": like(NEOX, tokenizer_class="GPTNeoXTokenizerFast", config={**END, "add_prefix_space": False}),
    "GPT-J": Published("gptj", "GPT2Tokenizer", GPT2, config={**END, "add_prefix_space": False}),
    "Falcon": Published("falcon", "PreTrainedTokenizerFast", FALCON, config={"eos_token": "<|endoftext|>"}),
    "Falcon 3": Published("llama", "PreTrainedTokenizerFast", LLAMA3, ignore_merges=True, config={"eos_token": "<|endoftext|>"}),
    "BLOOM": Published("bloom", "BloomTokenizerFast", BLOOM, None, ("<s>", "</s>", "<pad>"),
                       config={"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}),
    "StableLM": Published("stablelm", "GPTNeoXTokenizerFast", GPT2, NFC, ("<|endoftext|>", "<|padding|>"), config=END),
    "StableLM 2": Published("stablelm", "GPT2Tokenizer", QWEN2, None, TURNS, config=END),
    "StarCoder2": Published("starcoder2", "GPT2Tokenizer", DIGITS, config=END),
    "OLMo": like(NEOX, model_type="olmo", tokenizer_class="GPTNeoXTokenizerFast", config={"add_bos_token": False,
                 "eos_token": "<|endoftext|>", "pad_token": "<|padding|>", "unk_token": None, "bos_token": None}),
    "OLMo 2": Published("olmo2", "GPT2Tokenizer", LLAMA3, None, TURNS, config=END),
    "OLMo 3": Published("olmo3", "GPT2TokenizerFast", LLAMA3, None, TURNS, config=END),
    "Command-R": COHERE,
    "Command-R7B": like(COHERE, model_type="cohere2", config={**COHERE.config, "extra_special_tokens": ["<SEP>", "<CLS>"]}),
    "Granite": Published("granite", "GPT2Tokenizer", DIGITS, config={
        **END, "additional_special_tokens": ["<|start_of_role|>", "<|end_of_role|>"]}),
    "SmolLM3": Published("smollm3", "PreTrainedTokenizerFast", LLAMA3, None, TURNS, ignore_merges=True,
                         config={"eos_token": "<|im_end|>", "bos_token": None}),
    "GLM": like(GLM, model_type="glm"),
    "GLM-4": GLM,
    "EXAONE 4": Published("exaone4", "GPT2Tokenizer", GPT2, NFC, ("[BOS]", "[|endofturn|]"), config={
        "bos_token": "[BOS]", "eos_token": "[|endofturn|]", "unk_token": "[UNK]", "pad_token": "[PAD]"}),
    "Ministral": Published("ministral", "LlamaTokenizerFast", TEKKEN, None, ("<s>", "</s>", "[INST]"), ("<s>",),
                           ignore_merges=True, config={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_prefix_space": False}),
    "MiniCPM": LLAMA_STYLE,
    "InternLM2": like(LLAMA_STYLE, model_type="internlm2", config={**LLAMA_STYLE.config, "legacy": False}),
    "Nemotron": Published("nemotron", "PreTrainedTokenizerFast", pre_tokenizers(split(r"\p{N}"), GPT2), None, ("<s>", "</s>"),
                          ("<s>",), config={"bos_token": "<s>", "eos_token": "</s>"}),
}  # fmt: skip

# What tokenizer.json says where the class shall show that it does not count.
CONTRADICTIONS: dict[str, Callable[[dict], None]] = {
    "nothing": lambda document: None,
    "normalizer": lambda document: document.update(normalizer={"type": "Lowercase"}),
    "no normalizer": lambda document: document.update(normalizer=None),
    "pre-tokenizer": lambda document: document.update(pre_tokenizer=pre_tokenizers({"type": "WhitespaceSplit"}, BYTES)),
    "model": lambda document: document["model"].update(ignore_merges=True, byte_fallback=False, fuse_unk=False),
    "post-processor": lambda document: document.update(post_processor=None),
}


def write(folder: pathlib.Path, published: Published, document: dict, config: dict | None) -> pathlib.Path:
    """`config`: tokenizer_config.json, none where that shall be absent."""
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(document))
    (folder / "config.json").write_text(json.dumps({"model_type": published.model_type}))
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


def contradicting(published: Published, training: Training, contradiction: str) -> dict:
    document = copy.deepcopy(published.document(training))
    CONTRADICTIONS[contradiction](document)
    return document
