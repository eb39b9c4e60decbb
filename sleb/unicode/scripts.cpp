#include "sleb/unicode/scripts.h"

#include <oniguruma.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/unicode/versions.h"

namespace sleb {
namespace {

// As Oniguruma calls them. A script's number is its place here, from 1.
constexpr std::string_view names[] = {
    "han",
    "hiragana",
    "katakana",
    "adlam",
    "ahom",
    "anatolianhieroglyphs",
    "arabic",
    "armenian",
    "avestan",
    "balinese",
    "bamum",
    "bassavah",
    "batak",
    "bengali",
    "bhaiksuki",
    "bopomofo",
    "brahmi",
    "braille",
    "buginese",
    "buhid",
    "canadianaboriginal",
    "carian",
    "caucasianalbanian",
    "chakma",
    "cham",
    "cherokee",
    "common",
    "coptic",
    "cuneiform",
    "cypriot",
    "cyrillic",
    "deseret",
    "devanagari",
    "duployan",
    "egyptianhieroglyphs",
    "elbasan",
    "ethiopic",
    "georgian",
    "glagolitic",
    "gothic",
    "grantha",
    "greek",
    "gujarati",
    "gurmukhi",
    "hangul",
    "hanunoo",
    "hatran",
    "hebrew",
    "imperialaramaic",
    "inherited",
    "inscriptionalpahlavi",
    "inscriptionalparthian",
    "javanese",
    "kaithi",
    "kannada",
    "kayahli",
    "kharoshthi",
    "khmer",
    "khojki",
    "khudawadi",
    "lao",
    "latin",
    "lepcha",
    "limbu",
    "lineara",
    "linearb",
    "lisu",
    "lycian",
    "lydian",
    "mahajani",
    "malayalam",
    "mandaic",
    "manichaean",
    "marchen",
    "meeteimayek",
    "mendekikakui",
    "meroiticcursive",
    "meroitichieroglyphs",
    "miao",
    "modi",
    "mongolian",
    "mro",
    "multani",
    "myanmar",
    "nabataean",
    "newtailue",
    "newa",
    "nko",
    "ogham",
    "olchiki",
    "oldhungarian",
    "olditalic",
    "oldnortharabian",
    "oldpermic",
    "oldpersian",
    "oldsoutharabian",
    "oldturkic",
    "oriya",
    "osage",
    "osmanya",
    "pahawhhmong",
    "palmyrene",
    "paucinhau",
    "phagspa",
    "phoenician",
    "psalterpahlavi",
    "rejang",
    "runic",
    "samaritan",
    "saurashtra",
    "sharada",
    "shavian",
    "siddham",
    "signwriting",
    "sinhala",
    "sorasompeng",
    "sundanese",
    "sylotinagri",
    "syriac",
    "tagalog",
    "tagbanwa",
    "taile",
    "taitham",
    "taiviet",
    "takri",
    "tamil",
    "tangut",
    "telugu",
    "thaana",
    "thai",
    "tibetan",
    "tifinagh",
    "tirhuta",
    "ugaritic",
    "vai",
    "warangciti",
    "yi",
};

struct Range {
  char32_t first, last;
  int script;
};

std::vector<Range> read_ranges() {
  OnigEncoding utf8 = ONIG_ENCODING_UTF8;
  std::vector<Range> ranges;
  int script = no_script;
  for (const std::string_view name : names) {
    ++script;
    const auto* begin = reinterpret_cast<const OnigUChar*>(name.data());
    const int property =
        utf8->property_name_to_ctype(utf8, const_cast<OnigUChar*>(begin), const_cast<OnigUChar*>(begin) + name.size());
    OnigCodePoint beyond_single_bytes = 0;
    const OnigCodePoint* found = nullptr;  // the number of ranges, then their ends
    if (property < 0 || utf8->get_ctype_code_range(property, &beyond_single_bytes, &found) != ONIG_NORMAL) {
      failed("Oniguruma does not know the script {}", name);
    }
    for (OnigCodePoint i = 0; i < found[0]; ++i) ranges.push_back({found[2 * i + 1], found[2 * i + 2], script});
  }
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  return ranges;
}

int number_of(std::string_view name) {
  return static_cast<int>(std::find(std::begin(names), std::end(names), name) - std::begin(names)) + 1;
}

}  // namespace

int han_script() {
  return number_of("han");
}

int hiragana_script() {
  return number_of("hiragana");
}

int katakana_script() {
  return number_of("katakana");
}

int script_of(char32_t character) {
  static const std::vector<Range> ranges = read_ranges();
  static const int common = number_of("common"), devanagari = number_of("devanagari");
  if (is_newer_than_unicode_9(character)) return no_script;
  if (character == 0x589 || character == 0x61C) return common;      // given to one script later
  if (character == 0x953 || character == 0x954) return devanagari;  // shared by several later
  const auto range = std::lower_bound(ranges.begin(), ranges.end(), character,
                                      [](const Range& entry, char32_t sought) { return entry.last < sought; });
  return range != ranges.end() && range->first <= character ? range->script : no_script;
}

}  // namespace sleb
