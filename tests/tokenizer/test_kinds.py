"""The table kind x (data, adversarial set, random strings): sleb's ids are the oracle's, or the difference is shown."""
import pytest

import texts
from compare import Comparison
from every_kind import COMPONENTS, KINDS
from kinds import Kind, wheel

SMOLLM2 = "SmolLM2's own tokenizer.json"
# Of every data file, except for SmolLM2 and with --all-data.
DATA_LIMIT = 30_000
RANDOM_STRINGS = 20_000
# Kinds that between them show every table of Unicode that a tokenizer.json reaches.
UNICODE_KINDS = [
    "normalizer NFC", "normalizer NFD", "normalizer NFKC", "normalizer NFKD", "normalizer Lowercase",
    "normalizer StripAccents", "normalizer Strip both", "normalizer Precompiled nmt_nfkc",
    "normalizer Precompiled nfkc_cf", "Split Removed",
    "Punctuation Removed", "Digits, unk fused", "unk fused, words", "WhitespaceSplit", "GPT-4o pattern, removed and inverted",
    "added tokens, GPT-2", "normalizer BertNormalizer", "normalizer Nmt", "BertPreTokenizer", "UnicodeScripts",
]  # fmt: skip
# Kinds whose pieces a text without blanks makes long.
LONG_PIECE_KINDS = [
    "GPT-2", "LLaMA-2 legacy", "unk fused", "prefix and suffix", "Unigram, Metaspace", "tokenizer.model, BPE, LLaMA",
    "tokenizer.model, Unigram", "GGUF llama",
]  # fmt: skip


@pytest.fixture(scope="session")
def random_strings(real_text, fuzz_seed) -> list[bytes]:
    return texts.RandomTexts(fuzz_seed, real_text).take(RANDOM_STRINGS)


@pytest.fixture(scope="session")
def real_texts(data_paths, all_data):
    """By kind the texts of every data file, in part or whole; a generated one where the data is absent."""
    part = [text for path in data_paths for text in texts.data(path, None if all_data else DATA_LIMIT)]
    whole = part if all_data else [text for path in data_paths for text in texts.data(path, None)]
    generated = [texts.generated_text().encode()]
    return lambda name: (whole if name == SMOLLM2 else part) or generated


@pytest.fixture(scope="session", params=[*KINDS, SMOLLM2], ids=lambda kind: kind.name if isinstance(kind, Kind) else kind)
def compared(request, tmp_path_factory) -> tuple[str, Comparison]:
    """The kind's name, and sleb and the oracle on its files."""
    if request.param == SMOLLM2:
        folder = request.getfixturevalue("smollm2")
        return SMOLLM2, Comparison(folder, wheel(folder / "tokenizer.json"))
    kind, training = request.param, request.getfixturevalue("training")
    model, oracle = kind.write(tmp_path_factory.mktemp("kind"), training)
    return kind.name, Comparison(model, oracle, kind.special_tokens)


@pytest.fixture
def check(compared, record_kind):
    """Fails with the shortest texts whose ids differ, and remembers the counts for the table."""
    name, comparison = compared

    def compare(column: str, strings: list[bytes], hint: str = "") -> None:
        record_kind(name, column, "refused")
        result = comparison.of(strings)
        record_kind(name, column, str(result))
        assert result.compared > 0.75 * len(strings), f"{name}: the oracle has no answer for too many texts"
        shown = [str(comparison.shrink(difference)) for difference in result.differences[:3]]
        if shown:
            pytest.fail("\n".join([f"{name}, {column}: {result} {hint}", *dict.fromkeys(shown)]), pytrace=False)

    return compare


@pytest.mark.sampled(50)
def test_data(compared, check, real_texts):
    check("data", real_texts(compared[0]))


def test_adversarial(check):
    check("adversarial", texts.adversarial())


@pytest.mark.sampled(50)
def test_random(check, random_strings, fuzz_seed):
    check("random", random_strings, f"(--fuzz-seed {fuzz_seed})")


@pytest.mark.parametrize("name", LONG_PIECE_KINDS)
def test_megabyte_without_blank(name, training, real_text, tmp_path):
    """Ends, and with the right ids, in time that is far from quadratic; bench/tokenizer.py measures."""
    kind = next(kind for kind in KINDS if kind.name == name)
    model, oracle = kind.write(tmp_path, training)
    comparison = Comparison(model, oracle)
    letters = "".join(filter(str.isalpha, real_text))
    text = (letters * (1 + 1_000_000 // len(letters))).encode()[:1_000_000]
    assert not comparison.of([text]).differences


def test_adversarial_set_is_large():
    assert len(set(texts.adversarial())) >= 150


@pytest.mark.parametrize("kind", COMPONENTS, ids=lambda kind: kind.name)
def test_component_changes_ids(kind, training, tmp_path):
    """A kind whose ids are those of a tokenizer without the component would prove nothing."""
    plain = next(kind for kind in KINDS if kind.name == "ByteLevel without regex")
    strings = [text.decode("utf-8", "replace") for text in texts.adversarial()]
    _, with_component = kind.write(tmp_path, training)
    with_ids = with_component(strings)
    _, without = plain.write(tmp_path, training)
    assert with_ids != without(strings)


@pytest.mark.sampled(7)
@pytest.mark.parametrize("name", UNICODE_KINDS)
def test_every_assigned_code_point(name, training, tmp_path):
    """Each alone between letters, digits, blanks and added tokens; a wrong table shows as a list of ranges."""
    kind = next(kind for kind in KINDS if kind.name == name)
    comparison = Comparison(*kind.write(tmp_path, training))
    points = [point for first, last in texts.ASSIGNED for point in range(first, last)]
    rows = [points[i : i + 64] for i in range(0, len(points), 64)]
    strings = ["".join(texts.IN_CONTEXT.format(chr(point)) for point in row).encode() for row in rows]
    wrong = {difference.text for difference in comparison.of(strings).differences}
    points = [point for row, string in zip(rows, strings) if string in wrong for point in row]
    singles = [texts.IN_CONTEXT.format(chr(point)).encode() for point in points]
    wrong = {difference.text for difference in comparison.of(singles).differences}
    points = [point for point, single in zip(points, singles) if single in wrong]
    assert not points, f"{name}: {len(points)} code points: {texts.ranges(points)}"
