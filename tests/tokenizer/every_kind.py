"""All kinds of tokenizers that sleb reads: the rows of the table, and what bench/tokenizer.py chooses from."""
from file_kinds import gguf_kinds, sentencepiece_kinds, vocab_kinds
from kinds import (added_token_kinds, byte_level_kinds, character_kinds, normalizer_kinds, other_kinds, pre_tokenizer_kinds,
                   sentencepiece_style_kinds, unigram_kinds)  # fmt: skip

COMPONENTS = [*normalizer_kinds(), *pre_tokenizer_kinds()]
KINDS = [
    *byte_level_kinds(), *sentencepiece_style_kinds(), *character_kinds(), *COMPONENTS, *added_token_kinds(),
    *unigram_kinds(), *other_kinds(), *vocab_kinds(), *sentencepiece_kinds(), *gguf_kinds(),
]  # fmt: skip
