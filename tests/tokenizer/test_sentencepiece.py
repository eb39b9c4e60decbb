"""Small SentencePiece models made at random, with what training seldom makes: unused and user-defined pieces that overlap,
equal scores, characters that are no pieces, every combination of the normalizer's options."""
import base64
import random

import pytest
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

from compare import Comparison

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
# Blanks in both spellings, characters of one to four bytes, those that a character map joins or rewrites.
ALPHABETS = ["ab", "abc", "ab▁", "aé漢😀 ", "ab▁c<", "e\u0301ﬁ① a"]
TYPES = [[NORMAL], [NORMAL] * 3 + [USER_DEFINED], [NORMAL] * 3 + [UNUSED], [NORMAL] * 3 + [UNUSED, CONTROL, USER_DEFINED]]
MODELS = 150
TEXTS = 60


def random_model(choose: random.Random, model_type: int, alphabet: str, charsmap: bytes) -> bytes:
    model = sentencepiece_model_pb2.ModelProto()
    model.trainer_spec.model_type = model_type
    model.trainer_spec.treat_whitespace_as_suffix = choose.random() < 0.3
    model.trainer_spec.byte_fallback = choose.random() < 0.3
    for option in ("add_dummy_prefix", "remove_extra_whitespaces", "escape_whitespaces"):
        setattr(model.normalizer_spec, option, choose.random() < 0.6)
    if choose.random() < 0.3:
        model.normalizer_spec.precompiled_charsmap = charsmap
    model.pieces.add(piece="<unk>", type=UNKNOWN)
    for byte in range(256 if model.trainer_spec.byte_fallback else 0):
        model.pieces.add(piece=f"<0x{byte:02X}>", type=BYTE)
    types, longest = choose.choice(TYPES), choose.choice([2, 3, 5, 8])
    texts = ["".join(choose.choices(alphabet, k=choose.randrange(1, longest))) for _ in range(choose.randrange(3, 40))]
    for text in dict.fromkeys([*texts, "z"]):
        score = choose.choice([-choose.randrange(1, 6) / 2, -10 * choose.random(), choose.choice([0.0, -0.0, 1.5])])
        model.pieces.add(piece=text, score=score, type=choose.choice(types) if text != "z" else NORMAL)
    return model.SerializeToString()


@pytest.mark.parametrize("model_type", [1, 2], ids=["unigram", "bpe"])
def test_models_made_at_random(model_type, training, fuzz_seed, tmp_path):
    choose = random.Random(fuzz_seed)
    charsmap = base64.b64decode(training.precompiled("nmt_nfkc"))
    for i in range(MODELS):
        alphabet = choose.choice(ALPHABETS)
        content = random_model(choose, model_type, alphabet, charsmap)
        (tmp_path / "tokenizer.model").write_bytes(content)
        lengths = [choose.randrange(choose.choice([5, 12, 60, 400])) for _ in range(TEXTS)]
        texts = ["".join(choose.choices(alphabet + " zq", k=length)).encode() for length in lengths]
        comparison = Comparison(tmp_path, sentencepiece.SentencePieceProcessor(model_proto=content).encode)
        for difference in comparison.of(texts).differences[:1]:
            model = sentencepiece_model_pb2.ModelProto.FromString(content)
            pytest.fail(f"model {i} (--fuzz-seed {fuzz_seed}): {comparison.shrink(difference)}\n{model}", pytrace=False)
