#include "sleb/text/pre_tokenizer/by_script.h"

#include <utility>

#include "sleb/base/utf8.h"
#include "sleb/unicode/scripts.h"

namespace sleb {
namespace {

int counted_script(char32_t character) {
  static const int han = han_script(), hiragana = hiragana_script(), katakana = katakana_script();
  constexpr char32_t prolonged_sound_mark = 0x30FC;
  if (character == ' ') return no_script;
  if (character == prolonged_sound_mark) return han;
  const int script = script_of(character);
  return script == hiragana || script == katakana ? han : script;
}

}  // namespace

void ByScript::apply(Pieces& pieces) const {
  std::vector<Span> spans;
  for (const Span& span : pieces.spans) {
    int last = no_script;
    for (size_t i = span.begin; i < span.end; i += character_size(pieces.text[i])) {
      const int script = counted_script(first_character(std::string_view(pieces.text).substr(i)));
      if (script == no_script || script == last) continue;
      if (last != no_script) spans.back().end = i;
      spans.push_back({i, span.end});
      last = script;
    }
  }
  pieces.spans = std::move(spans);
}

}  // namespace sleb
