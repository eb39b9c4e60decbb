#include "sleb/text/sentencepiece/piece_normalizer.h"

#include <utility>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"
#include "sleb/text/growth.h"
#include "sleb/text/normalizer/normalizer.h"
#include "sleb/text/sources/tokenizer_json.h"

namespace sleb {
namespace {

constexpr size_t first_beyond_ascii = 0x80;

bool is_ascii_byte(char byte) {
  return static_cast<uint8_t>(byte) < first_beyond_ascii;
}

}  // namespace

PieceNormalizer::PieceNormalizer(const SentencePieceFile& file)
    : file_(file), blank_(file.escape_whitespaces ? std::string_view(blank_symbol) : " ") {
  std::vector<std::pair<std::string_view, int32_t>> user_defined;
  for (size_t id = 0; id < file.pieces.size(); ++id) {
    if (file.pieces[id].type != PieceType::user_defined) continue;
    user_defined.emplace_back(file.pieces[id].text, static_cast<int32_t>(id));
  }
  user_defined_ = ByteTrie(std::move(user_defined));
  find_copied_bytes();
}

void PieceNormalizer::find_copied_bytes() {
  for (size_t byte = 0; byte < is_copied_.size(); ++byte) {
    const char first = static_cast<char>(byte);
    bool copied = first != ' ' && user_defined_.child(ByteTrie::root, first) == ByteTrie::none;
    if (file_.charsmap) {
      copied &= byte < first_beyond_ascii;
      for (size_t next = 0; copied && next < first_beyond_ascii; ++next) {
        copied = !file_.charsmap->begins_key(std::string{first, static_cast<char>(next)});
      }
      copied = copied && !file_.charsmap->find_longest({&first, 1});
    }
    is_copied_[byte] = copied;
  }
}

// The end of the text that is only copied.
size_t PieceNormalizer::copied_end(std::string_view text, size_t begin) const {
  size_t end = begin;
  if (!file_.charsmap) {
    while (end < text.size() && is_copied_[static_cast<uint8_t>(text[end])]) ++end;
    return end;
  }
  while (end < text.size() && is_copied_[static_cast<uint8_t>(text[end])] &&
         (end + 1 == text.size() || is_ascii_byte(text[end + 1]))) {
    ++end;
  }
  return end;
}

PieceNormalizer::Prefix PieceNormalizer::prefix(std::string_view text) const {
  if (const size_t size = user_defined_.longest_prefix(text); size > 0) return {text.substr(0, size), size};
  if (file_.charsmap) {
    if (const auto rewriting = file_.charsmap->find_longest(text)) return {rewriting->text, rewriting->key_size};
  }
  // A key may end inside of a character.
  const size_t size = utf8_character(text);
  return size == 0 ? Prefix{replacement_character, 1} : Prefix{text.substr(0, size), size};
}

void PieceNormalizer::append(std::string_view text, std::string& to) const {
  for (const char byte : text) {
    if (byte == ' ') {
      to += blank_;
    } else {
      to += byte;
    }
  }
}

std::string PieceNormalizer::apply(std::string_view text) const {
  const size_t longest = longest_rewriting(text.size());
  const bool trims = file_.remove_extra_whitespaces;
  size_t i = 0;
  while (trims && i < text.size()) {
    const Prefix next = prefix(text.substr(i));
    if (next.text != " ") break;
    i += next.size;
  }
  std::string made;
  if (i == text.size()) return made;
  made.reserve(text.size() + text.size() / 2);
  if (file_.add_dummy_prefix && !file_.treat_whitespace_as_suffix) made += blank_;
  bool after_blank = trims;
  while (i < text.size()) {
    if (const size_t end = copied_end(text, i); end > i) {
      made += text.substr(i, end - i);
      after_blank = false;
      i = end;
      continue;
    }
    Prefix next = prefix(text.substr(i));
    while (after_blank && next.text.starts_with(' ')) next.text.remove_prefix(1);
    if (!next.text.empty()) {
      append(next.text, made);
      after_blank = trims && next.text.ends_with(' ');
    }
    i += next.size;
    if (made.size() > longest) {
      bad_input("precompiled_charsmap: makes more than {} bytes of a text of {}", longest, text.size());
    }
  }
  while (trims && made.ends_with(blank_)) made.resize(made.size() - blank_.size());
  if (file_.add_dummy_prefix && file_.treat_whitespace_as_suffix) made += blank_;
  return made;
}

}  // namespace sleb
