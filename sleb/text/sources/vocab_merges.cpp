#include "sleb/text/sources/vocab_merges.h"

#include <algorithm>
#include <unordered_map>
#include <utility>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/base/utf8.h"
#include "sleb/text/model/token_model.h"
#include "sleb/text/sources/tokenizer_classes.h"
#include "sleb/text/sources/tokenizer_config.h"
#include "sleb/text/sources/tokenizer_json.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

using TokenIds = std::unordered_map<std::string, int64_t>;

// The JSON reader keeps the last of several members of one name, which would hide that the file is damaged.
TokenIds read_vocabulary(const fs::path& path) {
  const std::string label = path.string();
  const std::string text = read_file(path);
  const Json document = parse_json(text, label);  // refuses deep nesting before the reader below sees it
  if (!document.is_object() || document.empty()) bad_input("{}: expected an object of tokens and ids", label);
  TokenIds vocabulary;
  std::string token;
  const auto read = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth != 1) return true;
    if (event == Json::parse_event_t::key) {
      token = parsed.get<std::string>();
    } else if (event == Json::parse_event_t::value) {
      if (!parsed.is_number_integer() || parsed < 0 || parsed > largest_token_id) {
        bad_input("{}: the id of {:?} is not a number from 0 to {}", label, token, largest_token_id);
      }
      if (!vocabulary.emplace(token, parsed.get<int64_t>()).second) bad_input("{}: {:?} stands twice", label, token);
    } else {
      bad_input("{}: the id of {:?} is not a number", label, token);
    }
    return true;
  };
  [[maybe_unused]] const Json again = Json::parse(text, read);
  return vocabulary;
}

std::vector<std::pair<std::string, int64_t>> by_id(const TokenIds& vocabulary, const std::string& label) {
  std::vector<std::pair<std::string, int64_t>> tokens(vocabulary.begin(), vocabulary.end());
  std::ranges::sort(tokens, {}, [](const auto& token) { return std::pair(token.second, token.first); });
  for (size_t i = 1; i < tokens.size(); ++i) {
    if (tokens[i].second == tokens[i - 1].second) {
      bad_input("{}: {:?} and {:?} both have id {}", label, tokens[i - 1].first, tokens[i].first, tokens[i].second);
    }
  }
  return tokens;
}

// Lines "left right", the first merge first; a line "#version: 0.2" and blank lines at the end don't count.
OrderedJson read_merges(const fs::path& path, const TokenIds& vocabulary) {
  const std::string text = read_file(path);
  if (!is_valid_utf8(text)) bad_input("{}: not valid UTF-8", path.string());
  OrderedJson merges = OrderedJson::array();
  size_t number = 0, first_blank = 0;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest = end == rest.npos ? "" : rest.substr(end + 1);
    ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.starts_with("#version")) continue;
    if (line.empty()) {
      if (first_blank == 0) first_blank = number;
      continue;
    }
    if (first_blank != 0) bad_input("{}: line {} is blank", path.string(), first_blank);
    const size_t blank = line.find(' ');
    if (blank == line.npos || line.find(' ', blank + 1) != line.npos) {
      bad_input("{}: line {}: {:?} is not two tokens with a blank between them", path.string(), number,
                line.substr(0, 200));
    }
    const std::string left(line.substr(0, blank)), right(line.substr(blank + 1));
    for (const std::string& token : {left, right, left + right}) {
      if (vocabulary.contains(token)) continue;
      bad_input("{}: line {}: the merge of {:?} and {:?} needs the token {:?}, which vocab.json lacks", path.string(),
                number, left, right, token);
    }
    merges.push_back({left, right});
  }
  return merges;
}

// GPT-2's where neither the files nor the model's type name another: these files are its own.
const TokenizerClass& class_of(const TokenizerConfig& config) {
  const std::string& named = config.tokenizer_class;
  const TokenizerClass* own = choose_tokenizer_class(config, false).own;
  if (!own) own = find_tokenizer_class(is_generic_tokenizer_class(named) ? "GPT2Tokenizer" : named);
  if (!own || own->files != VocabularyFiles::vocab_and_merges) {
    bad_input("{}: tokenizer_class {:?} is not supported for vocab.json and merges.txt; save it as tokenizer.json",
              config.label, own ? own->name : named);
  }
  return *own;
}

}  // namespace

Tokenizer tokenizer_of_vocab_and_merges(const fs::path& folder) {
  const TokenizerConfig config = read_tokenizer_config(folder);
  const TokenizerClass& own = class_of(config);
  ClassParts parts = own.parts(config);
  const fs::path vocabulary_file = folder / "vocab.json";
  const TokenIds vocabulary = read_vocabulary(vocabulary_file);
  SpecialTokenParts special =
      special_token_parts(config, own.defaults, static_cast<int64_t>(vocabulary.size()),
                          [&](const std::string& token) -> std::optional<int64_t> {
                            const auto found = vocabulary.find(token);
                            return found == vocabulary.end() ? std::nullopt : std::optional(found->second);
                          });
  OrderedJson ids = vocabulary_json(by_id(vocabulary, vocabulary_file.string()));
  OrderedJson merges = read_merges(folder / "merges.txt", vocabulary);
  const std::string text = tokenizer_json({.added_tokens = std::move(special.added_tokens),
                                           .normalizer = std::move(parts.normalizer),
                                           .pre_tokenizer = std::move(parts.pre_tokenizer),
                                           .post_processor = std::move(special.post_processor),
                                           .decoder = std::move(parts.decoder),
                                           .model = bpe_json(parts.model, std::move(ids), std::move(merges))});
  return Tokenizer::from_json(text, vocabulary_file.string(), nullptr, config.split_special_tokens);
}

}  // namespace sleb
