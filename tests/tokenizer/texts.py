"""What the tokenizers are tried on: data, an adversarial set, random strings. Always bytes: not all of it is UTF-8."""
import json
import pathlib
import random
import unicodedata

# Spellings of the special and added tokens of kinds.py; the adversarial set and the random strings are full of them.
COMBINATIONS = [f"{i:04b}" for i in range(16)]  # lstrip, rstrip, single_word, normalized
WORD_TOKENS = [f"Tok{flags}" for flags in COMBINATIONS]
SIGN_TOKENS = [f"<{flags}>" for flags in COMBINATIONS]
SPECIAL_TOKENS = ["<unk>", "<s>", "</s>"]
SPELLINGS = SPECIAL_TOKENS + WORD_TOKENS + SIGN_TOKENS

_HOSTILE_SPELLINGS = [
    "<s>", "</s>", "<unk>", "<s></s>", "</s></s>", "<s><s><s>", "a<s>b", "a <s> b", " <s> ", "<s", "s>", "</", "<</s>>",
    "< s>", "<S>", "<\u200bs>", "<s\u0301>", "\u200d<s>\u200d", "<s>\n</s>", "\n<s>\n", "<s> </s>  <s>", "<unk><unk> <unk>",
    "▁<s>▁", "text<s>", "<s>text", "x</s>y<s>z", "<0x0A>", "<0x41><0xFF>", "▁", "▁▁", " ▁ ", "a▁b", "▁a", "Ġ", "aĠb", "Ċ",
    "##ing", "ing##", "a</w>", "</w>", "Tok", "Tok0000Tok0000", "xTok0010x", " Tok0010 ", "Tok0010.", "_Tok0010_", "éTok0010é",
    "Tok00101", "1Tok0010", "字Tok0010字", "\u0301Tok0010\u0301", "TOK0001 tok0001 tOk0001", "TOK0000 tok0000",
    "<0000><1111>", "<<0001>>", "<1000><0100><1100>", "  <1000>  ", "  <0100>  ", " \t\n<1100>\u3000\u00a0 ", "a  Tok1100  b",
    "Tok0001Tok0011Tok0101", "Ｔok0001", "Tok０００１", "To\u200dk0001", "Tok0001\u0301",
]

_UNICODE = [
    # Emoji: joined, with skin tones, variation selectors, flags, key caps, tag sequences, broken off.
    "👨‍👩‍👧‍👦", "👩🏽‍🚀👨🏿‍🦰", "👍🏻👍🏼👍🏽👍🏾👍🏿", "❤️ ❤ ❤︎ ☎️☎︎", "🇩🇪🇫🇷🇺🇳 🇩 🇪🇫🇷🇺", "🏴󠁧󠁢󠁥󠁮󠁧󠁿🏴󠁧󠁢", "1️⃣*️⃣#️⃣ 1⃣", "👨‍ ‍👩", "🏽 alone",
    "🏳️‍🌈🏳‍🌈🏴‍☠️", "\u200d\u200d\ufe0f", "smile😀word😀😀 😀 .😀.",
    # Combining marks in and out of canonical order, alone, many, and on what they don't fit.
    "e\u0301 é e\u0301\u0301", "a\u0323\u0307 a\u0307\u0323 \u1ea1\u0307 \u0227\u0323", "q\u0323\u0307\u0323 q\u0307\u0323", "\u0301", " \u0301a", "\n\u0301\u0301",
    "Z" + "\u0301\u0316\u0327\u0345" * 20, "o\u0302\u0309 ổ ô\u0309 o\u0309\u0302", "\u0344 \u0308\u0301 \u0340\u0341\u0343", "c\u0327\u0301 ḉ ç\u0301 ć\u0327",
    "\u0f71\u0f72\u0f74 \u0f73\u0f75\u0f81", "1\u0301 .\u0301 \u3042\u3099 が か\u309a \u3099", "\u0915\u093c क़ \u0928\u093c ऩ \u0930\u093c", "\u1b35\u1b05\u1b06 \u1b05\u1b35",
    "ﬆﬀﬁﬂﬃﬄﬅ ﷺ ㍿ ㎏ Ⅷ ⅷ", "①⑳㊿ ½⅓ x² x₂ ¹²³", "ｆｕｌｌ　ｗｉｄｔｈ １２３ ！？ ｶﾞｷﾞ ﾊﾟ ﾞ", "Å Å \u212b \u2126 Ω \u212a K", "\u1e9b\u0323 ẛ̣", "\u2000\u2001 \u2329\u3008",
    # Hangul: syllables, jamo that compose, jamo that don't, compatibility jamo, half-width.
    "한글 각", "\u1112\u1161\u11ab\u1100\u1173\u11af", "\u1100\u1161 \u1100\u1161\u11a8\u11a8 가\u11a8 각\u11a8", "\u1161\u11a8 \u11a8 \u1100\u1100\u1161", "ㄱㅏㄱ ﾡￂﾡ", "\ua960\ud7b0\ud7cb ᅟᅠ",
    # Right to left, with marks and with direction controls.
    "مرحبا بالعالم", "مَرْحَبًا", "שָׁלוֹם", "שׁ שׂ \ufb2a \ufb2b \ufb1d", "\u202eRTL\u202c abc \u2067x\u2069", "لا \ufefb ﷲ ﷽", "ܫܠܡܐ ދިވެހި ߒߞߏ", "\u0627\u0653 آ \u0627\u0654 أ",
    # Other scripts.
    "漢字かな交じり文、カタカナー。", "豈 \uf900 \U0002f800 丽 𠀀𪛖", "नमस्ते क्षत्रिय श्री", "สวัสดี น้ำ ก็", "ភាសាខ្មែរ မြန်မာ བོད་སྐད་", "தமிழ் കേരളം ಕನ್ನಡ తెలుగు", "ᏣᎳᎩ ꮳꮃꭹ", "Ελληνικά Σίσυφος ΣΊΣΥΦΟΣ ΟΔΟΣ ς", "Привет ЁЖ йй и\u0306",
    "አማርኛ ግዕዝ", "ქართული ᲥᲐᲠᲗᲣᲚᲘ", "𝒜𝓑𝕮 𝟘𝟙𝟚 𝐀", "𐐀𐐨 𐓏𐓷 𞤀𞤢", "Tiếng Việt đẹp Ắ ắ", "ǅ ǈ ǋ ǲ ǆ Ǆ ᾈ ᾳ ῼ", "İ I ı i İSTANBUL i\u0307", "ß ẞ STRASSE ŉ ǰ ΐ ﬓ", "ſ K Å ϴ ϐ Ꮰ", "ͅ ῼ ᾠͅ",
    # Digits of many scripts.
    "0123456789 00 000 0000", "٠١٢٣٤٥٦٧٨٩ ۰۱۲۳", "०१२३४ ০১২৩ ੦੧੨ ௧௨௩ ๑๒๓ ໑໒ ༡༢ ၁၂ ០១ ᠐᠑", "１２３４ 𝟎𝟏 𝟿 🄀🄁 ⑴⒈", "一二三〇 ⅠⅡⅢ ↁ ௰ ൰ 𐄇 𒐀", "3.14159 1,000,000.00 1e-10 0xFF 1/2 50% $5 12:34:56", "a1b2c3 1st 2nd v1.2.3", "1\u200d2 1\u03012 1_2", "²³¹ 1² ⁴⁵ ₁₂",
]

_BLANKS = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u180e\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009" \
          "\u200a\u200b\u200c\u200d\u2028\u2029\u202f\u205f\u2060\u2800\u3000\u3164\ufeff"

_WHITE_AND_CONTROL = [
    "", " ", "  ", "   ", "\n", "\r", "\r\n", "\t", "\n\n", "\r\n\r\n", "\r\r", "\n\r", " \n", "\n ", " \n ", "\r \n", "a\rb\r\rc", "a\r\nb\r\n\r\nc",
    " a", "a ", " a ", "  a  b  ", "\na\n", "\ta\t", "a \nb", "a  \n  b", "a\n \n \nb", " \t \t a", "a\u3000\u3000b", "\u00a0a\u00a0", "a\u00a0 \u00a0b", "a\u2028b\u2029c\x85d",
    _BLANKS, "".join(f"a{blank}b" for blank in _BLANKS), "".join(f"{blank}{blank} x" for blank in _BLANKS), " " * 500 + "x", "x" + " " * 500, "\t" * 200 + "\n" * 200 + "x\n" * 50, " \n" * 200,
    "\r\n" * 200, "x" + "\u3000" * 100 + "y", "\x00", "a\x00b", "\x00\x00 \x00", "".join(map(chr, range(32))), "".join(f"a{chr(c)}" for c in range(32)), "\x7f\x80\x81\x9f a\x7fb", "\x1b[31mred\x1b[0m",
    "\u200b\u200c\u200d\u200e\u200f\ufeff", "\ufeffBOM", "a\u00adb soft\u00adhyphen", "\u202a\u202b\u202c\u2066\u2069\u061c", "\ufffc\ufffd\ufff9\ufffa\ufffb", "\U000e0001\U000e0041\U000e007f",
]

_PLAIN = [
    "Hello, world!", "I'll say it'S DON'T they'Ve we'RE 'tis ''s 's 'S' '", "I’m don’t ‘s", "word'sword 'll'm'd've", "'ſ 'ſx it'ſ", "The quick brown fox jumps over the lazy dog.", "UPPER lower Title mIxEd iPhone McDonald's",
    "...!!!???---___***", "!a?b.c,d;e:f", "(a)[b]{c}<d>\"e\"'f'", "a.b.c. a..b a...b .a. . .", " .a !b ?c", "¡¿«»„“”‘’‚‹›…–—―‽⁂", "、。「」『』【】〜・！？：；", "$€£¥₿ +−×÷= <>≤≥ ^`~| ©®™°§¶", "@user #tag a@b.example http://example.org/a?b=c&d=%20#e",
    "C:\\dir\\file.txt ../a/b ~/c", "for (int i = 0; i < n; ++i) {\n\ta[i] += b->c;\n}\n", "def f(x):\n    return x ** 2  # squared\n\n\nprint(f(3))\n", "SELECT * FROM t WHERE a='b' -- c\n", "{\"a\": [1, 2.5, null], \"b\": {\"c\": \"\\u00e9\"}}",
    "<div class=\"x\">&amp;</div><!-- c -->", "\\begin{eq} x_{i}^{2} \\end{eq}", "#!/bin/sh\nset -e\r\necho \"$1\" | sed 's/a/b/'\n", "if(a&&b||!c){return~d^e;}", "// comment\n\n\n/* block\n * text */", "snake_case camelCase PascalCase kebab-case SCREAMING_CASE __init__ a__b",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abababababababababab" * 20, "a" * 2000, "the" * 300, "é" * 500, "漢" * 500, "😀" * 200, "1" * 700, "!" * 500, "-" * 300 + "=" * 300, "a b " * 200, " a" * 300, "\u0301" * 300,
]  # fmt: skip

_LIMITS = [
    "\x01", "\x7e\x7f\x80", "\u07ff\u0800", "\ud7ff\ue000", "\uffff\U00010000", "\U0010ffff", "\ufdd0\ufdef\ufffe\uffff", "\U0001fffe\U0001ffff\U0010fffe", "\ue000\uf8ff\U000f0000\U00100000", "\u0378\u0379 \U000e0080", "\u2ffc \U0003ffff a\U000cffffb",
    "\u0870\u088f\u0c5d", "\ua7c0\ua7d0\ua7f2", "\U00010570\U0001057a\U00010597", "\U00012f90\U0001cf00\U0001df00", "\U0001e290\U0001e4d0", "\U00011f04\U00011f50\U00011f59", "\U0001e030\U0001e06d", "\U00031350\U000323af", "\U0001fae8\U0001fa75",
    "\u2ffc\u31ef", "\U0002ebf0", "\u1c89\u1c8a\ua7cb\ua7cc\ua7da\ua7dc", "\U00010d40\U00010d49\U00010d50\U00010d70\U00010d4e", "\U00016d40\U00016d70", "\U00011bf0\U00011bf9\U0001ccf0\U0001ccf9", "\U0001e5d0\U0001e5f1", "\U00010ec2", "\U0001fae9\U0001fbef", "\u1acf\u1add \U00010efa\U0001e6e0",
]

_INVALID_UTF8 = [
    b"a\xffb", b"\x80", b"\x80\x80", b"\xbf\xbf\xbf", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x82z", b"\xe2(\xa1", b"\xf0\x9f\x98", b"\xf0\x9f\x98 x", b"\xf0\x9f", b"\xf0(\x8c\xbc", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf", b"\xed\xa0\x80", b"\xed\xa0\x80\xed\xb0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"\xfe\xff", b"\xff\xfea\x00b\x00", b"\xef\xbb\xbfBOM \xef\xbb", b"caf\xe9 \xa0na\xefve",
    b"ok \xc3\xa9 \xc3 \xa9", b"<s>\xff</s>", b"<\xffs>", b"\xff<s>\x80", b"Tok0000\xc3", b"\xe2\x96\xe2\x96\x81", b" \xff \xff ", b"\xcc\xcc\x81", b"\xff" * 50, b"\xe3\x81" * 20 + b"\x82",
]


def _spelled_between() -> list[str]:
    """Every added token alone, doubled, in a word, between blanks of several kinds, and cut."""
    texts = []
    for token in WORD_TOKENS + SIGN_TOKENS:
        texts.append(f"{token} {token}{token} a{token}b  {token}  . {token}. \n\t{token}\u3000\n{token[:-1]} {token[1:]}")
        texts.append(f"{token.lower()}{token.upper()} _{token}_ é{token} {token}é \u0301{token}\u0301 {token}1 1{token}")
    return texts


def adversarial() -> list[bytes]:
    groups = (_HOSTILE_SPELLINGS, _UNICODE, _WHITE_AND_CONTROL, _PLAIN, _LIMITS, _spelled_between())
    return [text.encode() for group in groups for text in group] + _INVALID_UTF8


def _fragments() -> list[str]:
    """Pieces of the adversarial set, at most 12 code points long."""
    pieces = [piece for text in adversarial() for piece in _pieces(text.decode("utf-8", "replace"))]
    return sorted(set(pieces))


def _pieces(text: str) -> list[str]:
    return [text[i : i + 12] for i in range(0, min(len(text), 120), 12)] + text[:200].split()


# A letter or sign for each general category and many scripts, so that classes meet each other often.
_ALPHABET = "aZéßǅ漢か한नش1٣²Ⅷ½_-.'’!$+^~·「\u0301\u0323\u200d\ufe0f\u3099\u00ad\ue000\U000f0000\u0378😀🏽🇩▁Ġ" + " " * 6 + "\t\n\r\x00\u3000\u00a0\x85"


class RandomTexts:
    """Seeded random strings: uniform code points, mixed classes, shuffled fragments, special tokens, mutated text."""

    def __init__(self, seed: int, real_text: str):
        self._random = random.Random(seed)
        self._fragments = _fragments()
        self._real = real_text
        self._assigned = [chr(c) for c in range(0x20000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]

    def take(self, count: int) -> list[bytes]:
        makers = (self._uniform, self._assigned_only, self._classes, self._mixed_fragments, self._spellings, self._mutated,
                  self._mutated, self._bytes)
        return [makers[i % len(makers)]() for i in range(count)]

    def _uniform(self) -> bytes:
        bits = [7, 8, 11, 16, 21]
        return "".join(self._code_point(self._random.choice(bits)) for _ in range(self._random.randrange(1, 16))).encode()

    def _code_point(self, bits: int) -> str:
        code = self._random.getrandbits(bits)
        return chr(code) if code < 0xD800 or 0xE000 <= code < 0x110000 else "\ufffd"

    def _assigned_only(self) -> bytes:
        return "".join(self._random.choices(self._assigned, k=self._random.randrange(1, 14))).encode()

    def _classes(self) -> bytes:
        return "".join(self._random.choices(_ALPHABET, k=self._random.randrange(2, 25))).encode()

    def _mixed_fragments(self) -> bytes:
        pieces = self._random.choices(self._fragments, k=self._random.randrange(1, 5))
        return self._random.choice(["", "", " ", "\n"]).join(pieces).encode()

    def _spellings(self) -> bytes:
        pieces = []
        for spelling in self._random.choices(SPELLINGS, k=self._random.randrange(1, 5)):
            start = self._random.choice([0, 0, 0, 0, 0, 1])
            pieces += [spelling[start:], self._random.choice(_ALPHABET + " " * 20)]
        if self._random.random() < 0.2:
            pieces.insert(0, self._random.choice(_ALPHABET))
        return "".join(pieces).encode()

    def _mutated(self) -> bytes:
        start = self._random.randrange(max(1, len(self._real) - 60))
        text = list(self._real[start : start + self._random.randrange(5, 60)])
        for _ in range(self._random.randrange(0, 4)):
            place = self._random.randrange(len(text) + 1)
            text[place : place + self._random.randrange(3)] = self._random.choice(self._fragments + list(_ALPHABET)[:40])
        return "".join(text).encode()

    def _bytes(self) -> bytes:
        text = bytearray(self._mixed_fragments()[:40])
        for _ in range(self._random.randrange(1, 4)):
            place = self._random.randrange(len(text) + 1)
            text[place : place + self._random.randrange(3)] = bytes([self._random.randrange(256)])
        return bytes(text)


def data_files(folder: pathlib.Path) -> list[pathlib.Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".raw", ".jsonl"))


def _strings(value) -> list[str]:
    """The texts within a JSON value."""
    if isinstance(value, str):
        return [value]
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for member in members for text in _strings(member)]


def data(path: pathlib.Path, limit: int | None) -> list[bytes]:
    """The texts of a data file, of its first `limit` bytes if given: a raw file is one text, as calibration reads it."""
    content = path.read_bytes()[:limit]
    if path.suffix == ".raw":
        return [content]
    lines = content.splitlines()
    if limit is not None and len(lines) > 1:
        lines.pop()  # it may be cut
    rows = [json.loads(line) if limit is None or line.endswith(b"}") else line.decode("utf-8", "replace") for line in lines]
    return [text.encode() for row in rows for text in _strings(row)]


def generated_text() -> str:
    """Stands in for the project's data where that is absent: words of made-up syllables, numbers, code and signs."""
    choose = random.Random(3)
    syllables = [c + v + e for c in "bcdfglmnprstvw" for v in "aeiou" for e in ("", "n", "r", "st")]
    words = ["".join(choose.choices(syllables, k=choose.randrange(1, 4))) for _ in range(3000)]
    signs = [". ", ", ", " - ", "; ", "\n", "\n\n", " 1234 ", " 3.14 ", "'s ", " (", ") ", "\t", "  "]
    return "".join(choose.choice(words) + (choose.choice(signs) if choose.random() < 0.2 else " ") for _ in range(20000))


# Where Unicode has assigned code points; of large blocks of one sort (ideographs, Yi and Hangul syllables, hieroglyphs,
# Tangut, private use) the ends.
ASSIGNED = [(0, 0x3410), (0x4DB0, 0x4E10), (0x9FE0, 0xA010), (0xA480, 0xAC10), (0xD790, 0xD800), (0xE000, 0xE010),
            (0xF8F0, 0x13010), (0x13420, 0x13470), (0x143F0, 0x14410), (0x14640, 0x16810), (0x16A30, 0x17010),
            (0x187F0, 0x18810), (0x18AF0, 0x1B010), (0x1B110, 0x1BC10), (0x1BC60, 0x20010), (0x2A6D0, 0x2A710),
            (0x2B730, 0x2B750), (0x2B810, 0x2B830), (0x2CEA0, 0x2CEC0), (0x2EBE0, 0x2EC00), (0x2EE50, 0x2EE70),
            (0x2F800, 0x2FA20), (0x31340, 0x31360), (0x323A0, 0x323C0), (0xE0000, 0xE01F0)]  # fmt: skip
IN_CONTEXT = "a{0}T{0}ª{0}1{0} {0}Tok0010{0}字{0}字\n"


def ranges(points: list[int]) -> str:
    """For example "U+A7F2-A7F4, U+1E06D"."""
    groups: list[list[int]] = []
    for point in points:
        if groups and point == groups[-1][1] + 1:
            groups[-1][1] = point
        else:
            groups.append([point, point])
    return ", ".join(f"U+{first:X}" if first == last else f"U+{first:X}-{last:X}" for first, last in groups)
