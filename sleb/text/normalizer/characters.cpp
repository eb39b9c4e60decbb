#include "sleb/text/normalizer/characters.h"

#include <algorithm>

#include "sleb/base/utf8.h"
#include "sleb/unicode/byte_characters.h"
#include "sleb/unicode/characters.h"

namespace sleb {
namespace {

// Appends to `out` what `rewrite(out, character, spelling)` makes of each character of `text`.
template <typename Rewrite>
std::string by_character(std::string_view text, const Rewrite& rewrite) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const size_t size = character_size(text[i]);
    rewrite(out, first_character(text.substr(i)), text.substr(i, size));
    i += size;
  }
  return out;
}

template <typename Predicate>
std::string without(std::string_view text, const Predicate& removed) {
  return by_character(text, [&](std::string& out, char32_t character, std::string_view spelling) {
    if (!removed(character)) out += spelling;
  });
}

class Strip : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}

  void apply(Section& section, size_t) const override {
    std::string& text = section.text;
    size_t begin = 0;
    while (left_ && begin < text.size() && is_blank(first_character(std::string_view(text).substr(begin)))) {
      begin += character_size(text[begin]);
    }
    size_t end = text.size();
    while (right_ && end > begin && is_blank(last_character(std::string_view(text).substr(begin, end - begin)))) {
      do --end;
      while ((static_cast<uint8_t>(text[end]) & 0xC0) == 0x80);
    }
    section.from_first = std::min(std::max(section.from_first, begin) - begin, end - begin);
    text = text.substr(begin, end - begin);
  }

 private:
  const bool left_, right_;
};

class StripAccents : public CharacterNormalizer {
  std::string rewrite(std::string_view text) const override { return without(text, is_mark); }
};

// What the machine translation system of SentencePiece's authors did first (google/sentencepiece, normalizer rules
// "nmt").
class Nmt : public CharacterNormalizer {
  std::string rewrite(std::string_view text) const override {
    return by_character(text, [](std::string& out, char32_t character, std::string_view spelling) {
      if (is_removed(character)) return;
      out += is_kind_of_blank(character) ? " " : spelling;
    });
  }

  static bool is_removed(char32_t c) {
    return (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F;
  }
  static bool is_kind_of_blank(char32_t c) {
    return c == '\t' || c == '\n' || c == '\f' || c == '\r' || c == 0x1680 || (c >= 0x200B && c <= 0x200F) ||
           c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  }
};

// The "basic tokenization" of google-research/bert, tokenization.py.
class BertNormalizer : public CharacterNormalizer {
 public:
  explicit BertNormalizer(const JsonView& component)
      : clean_text_(component.at("clean_text").boolean()),
        space_ideographs_(component.at("handle_chinese_chars").boolean()),
        lowercase_(component.at("lowercase").boolean()),
        strip_accents_(component.boolean_or("strip_accents", lowercase_)) {}

 private:
  std::string rewrite(std::string_view text) const override {
    std::string out(text);
    if (clean_text_) out = clean(out);
    if (space_ideographs_) out = space_ideographs(out);
    if (strip_accents_) out = without(normalize(out, NormalForm::nfd), is_nonspacing_mark);
    if (lowercase_) out = lowercase(out);
    return out;
  }

  static std::string clean(std::string_view text) {
    return by_character(text, [](std::string& out, char32_t character, std::string_view spelling) {
      constexpr char32_t replacement = 0xFFFD;
      if (character == replacement || (is_control(character) && !is_line_blank(character))) return;
      out += is_blank(character) ? " " : spelling;
    });
  }
  static bool is_line_blank(char32_t character) { return character == '\t' || character == '\n' || character == '\r'; }

  static std::string space_ideographs(std::string_view text) {
    return by_character(text, [](std::string& out, char32_t character, std::string_view spelling) {
      const bool ideograph = is_ideograph(character);
      if (ideograph) out += ' ';
      out += spelling;
      if (ideograph) out += ' ';
    });
  }
  // The ranges as the library has them, with 2B920 where BERT has 2B820.
  static bool is_ideograph(char32_t c) {
    return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) || (c >= 0x20000 && c <= 0x2A6DF) ||
           (c >= 0x2A700 && c <= 0x2B73F) || (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
           (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
  }

  const bool clean_text_, space_ideographs_, lowercase_, strip_accents_;
};

class ByteLevelNormalizer : public CharacterNormalizer {
  std::string rewrite(std::string_view text) const override {
    std::string out;
    out.reserve(text.size() * 2);
    append_byte_characters(out, text);
    return out;
  }
};

}  // namespace

std::unique_ptr<Normalizer> make_strip(const JsonView& component) {
  return std::make_unique<Strip>(component.at("strip_left").boolean(), component.at("strip_right").boolean());
}

std::unique_ptr<Normalizer> make_strip_accents(const JsonView&) {
  return std::make_unique<StripAccents>();
}

std::unique_ptr<Normalizer> make_nmt(const JsonView&) {
  return std::make_unique<Nmt>();
}

std::unique_ptr<Normalizer> make_bert_normalizer(const JsonView& component) {
  return std::make_unique<BertNormalizer>(component);
}

std::unique_ptr<Normalizer> make_byte_level_normalizer(const JsonView&) {
  return std::make_unique<ByteLevelNormalizer>();
}

}  // namespace sleb
