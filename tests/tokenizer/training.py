"""Small vocabularies of every model type, trained on the spot; what is given back is the "model" of a tokenizer.json."""
import base64
import functools
import io
import json
import random

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from texts import SPECIAL_TOKENS

BYTE_TOKENS = [f"<0x{byte:02X}>" for byte in range(256)]
# So that more than Latin letters is learned.
FOREIGN_TEXT = [
    "Les élèves où naïve façade; Straße; 漢字かな混じり文; 한글과 한국어; مرحبا بالعالم; שלום עולם; привет мир; Ελληνικά",
    "the thé dŽ ǅ ﬁ ① Å café cafe\u0301 नमस्ते 👍🏽 👨‍👩‍👧 2023 ٣٤٥ ½ x² — “quoted” ‘single’ …",
    "    def indented(code):\r\n\t\treturn code + 'blank lines follow'\r\n\r\n\r\n",
    "I'll say it's 12345 don't they've we're UPPER CASE WORDS!!! ??? --- ===== snake_case a.b.c (x)[y]{z}",
] * 8


class Training:
    """Models trained on `text`, each once."""

    def __init__(self, text: str):
        self._text = text[:150_000]

    def _lines(self) -> list[str]:
        return [line for line in self._text.split("\n") if line.strip()] + FOREIGN_TEXT

    def _pieces(self) -> list[str]:
        """Cut at random places: what is learned from them crosses blanks, numbers, signs and line ends, so that ids tell
        where a text was split."""
        choose = random.Random(5)
        text = self._text + "".join(FOREIGN_TEXT)
        pieces = []
        while text:
            length = choose.randrange(8, 40)
            pieces.append(text[:length])
            text = text[length:]
        return pieces

    @functools.cache
    def byte_level(self, pre_tokenizer: str | None = None) -> dict:
        """BPE of bytes; `pre_tokenizer`: JSON of what splits the text before; without one, pieces cut anywhere."""
        tokenizer = Tokenizer(models.BPE())
        if pre_tokenizer is None:
            tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        else:
            empty = json.loads(tokenizer.to_str())
            empty["pre_tokenizer"] = json.loads(pre_tokenizer)
            tokenizer = Tokenizer.from_str(json.dumps(empty))
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=1500, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator(self._lines() if pre_tokenizer else self._pieces(), trainer)
        return json.loads(tokenizer.to_str())["model"]

    @functools.cache
    def characters(self, byte_fallback: bool = False, blank: str = "▁", **options) -> dict:
        """BPE of characters, pieces cut anywhere; characters beyond the 160 most frequent are unknown."""
        special = SPECIAL_TOKENS + (BYTE_TOKENS if byte_fallback else [])
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
        trainer = trainers.BpeTrainer(
            vocab_size=1500, limit_alphabet=160, special_tokens=special, show_progress=False, **options
        )
        tokenizer.train_from_iterator([piece.replace(" ", blank) for piece in self._pieces()], trainer)
        return {**json.loads(tokenizer.to_str())["model"], "byte_fallback": byte_fallback}

    @functools.cache
    def words(self, **options) -> dict:
        """BPE of characters within words, with continuing_subword_prefix or end_of_word_suffix."""
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>", **options))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.BpeTrainer(
            vocab_size=1500, limit_alphabet=160, special_tokens=SPECIAL_TOKENS, show_progress=False, **options
        )
        tokenizer.train_from_iterator(self._lines(), trainer)
        return json.loads(tokenizer.to_str())["model"]

    @functools.cache
    def word_piece(self) -> dict:
        tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>", max_input_chars_per_word=20))
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=1500, limit_alphabet=160, special_tokens=SPECIAL_TOKENS, show_progress=False
        )
        tokenizer.train_from_iterator(self._lines(), trainer)
        return json.loads(tokenizer.to_str())["model"]

    @functools.cache
    def word_level(self) -> dict:
        tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        trainer = trainers.WordLevelTrainer(vocab_size=1500, special_tokens=SPECIAL_TOKENS, show_progress=False)
        tokenizer.train_from_iterator(self._lines(), trainer)
        return json.loads(tokenizer.to_str())["model"]

    @functools.cache
    def unigram(self, across_blanks: bool = False, byte_fallback: bool = False) -> dict:
        if byte_fallback:
            model = self.unigram(across_blanks=across_blanks)
            with_bytes = [*model["vocab"][:3], *([token, 0.0] for token in BYTE_TOKENS), *model["vocab"][3:]]
            return {**model, "vocab": with_bytes, "byte_fallback": True}
        tokenizer = Tokenizer(models.Unigram())
        if not across_blanks:
            tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=1200, show_progress=False, unk_token="<unk>", special_tokens=SPECIAL_TOKENS
        )
        pieces = [piece.replace(" ", "▁") for piece in self._pieces()] if across_blanks else self._lines()
        tokenizer.train_from_iterator(pieces, trainer)
        return json.loads(tokenizer.to_str())["model"]

    @functools.cache
    def sentencepiece(self, model_type: str, **options) -> bytes:
        """The content of a tokenizer.model; options of spm_train."""
        file = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(self._lines()),
            model_writer=file,
            model_type=model_type,
            **{"vocab_size": 1000, "character_coverage": 0.995, "num_threads": 1, "minloglevel": 2} | options,
        )
        return file.getvalue()

    def precompiled(self, rule: str) -> str:
        """Base64 of sentencepiece's character map named `rule`."""
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString(self.sentencepiece("bpe", normalization_rule_name=rule))
        return base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()
