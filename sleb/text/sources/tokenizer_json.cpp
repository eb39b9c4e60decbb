#include "sleb/text/sources/tokenizer_json.h"

#include <openssl/evp.h>

#include <algorithm>

#include "sleb/base/utf8.h"

namespace sleb {

OrderedJson added_token_json(const AddedTokenOptions& token, int64_t id) {
  return {{"id", id},
          {"content", token.content},
          {"single_word", token.single_word},
          {"lstrip", token.lstrip},
          {"rstrip", token.rstrip},
          {"normalized", token.normalized},
          {"special", token.special}};
}

// Built at once: an ordered object looks through all its members on every insertion.
OrderedJson vocabulary_json(const std::vector<std::pair<std::string, int64_t>>& ids) {
  std::vector<std::pair<std::string, OrderedJson>> members(ids.begin(), ids.end());
  return OrderedJson::object_t(members.begin(), members.end());
}

OrderedJson sequence_json(std::string_view members_key, std::vector<OrderedJson> members) {
  return {{"type", "Sequence"}, {std::string(members_key), std::move(members)}};
}

OrderedJson replace_json(const std::string& text, const std::string& by) {
  return {{"type", "Replace"}, {"pattern", {{"String", text}}}, {"content", by}};
}

OrderedJson replace_regex_json(const std::string& pattern, const std::string& by) {
  return {{"type", "Replace"}, {"pattern", {{"Regex", pattern}}}, {"content", by}};
}

OrderedJson prepend_json(const std::string& text) {
  return {{"type", "Prepend"}, {"prepend", text}};
}

OrderedJson charsmap_json(std::string_view table) {
  std::string base64((table.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends it with a zero byte
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()), reinterpret_cast<const unsigned char*>(table.data()),
                  static_cast<int>(table.size()));
  base64.pop_back();
  return {{"type", "Precompiled"}, {"precompiled_charsmap", base64}};
}

OrderedJson byte_level_json(bool add_prefix_space, bool use_regex) {
  return {
      {"type", "ByteLevel"}, {"add_prefix_space", add_prefix_space}, {"trim_offsets", true}, {"use_regex", use_regex}};
}

OrderedJson piece_decoder_json(bool strip_first_blank) {
  std::vector<OrderedJson> steps = {replace_json(blank_symbol, " "), {{"type", "ByteFallback"}}, {{"type", "Fuse"}}};
  if (strip_first_blank) steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
  return sequence_json("decoders", std::move(steps));
}

OrderedJson template_json(const std::optional<NamedToken>& bos, const std::optional<NamedToken>& eos) {
  OrderedJson single = OrderedJson::array(), pair = OrderedJson::array(), named = OrderedJson::object();
  const auto place = [&](const NamedToken& token, int type) -> OrderedJson {
    named[token.content] = {{"id", token.content}, {"ids", {token.id}}, {"tokens", {token.content}}};
    return {{"SpecialToken", {{"id", token.content}, {"type_id", type}}}};
  };
  for (const auto& [sequence, type] : {std::pair("A", 0), std::pair("B", 1)}) {
    OrderedJson part = OrderedJson::array();
    if (bos) part.push_back(place(*bos, type));
    part.push_back({{"Sequence", {{"id", sequence}, {"type_id", type}}}});
    if (eos) part.push_back(place(*eos, type));
    pair.insert(pair.end(), part.begin(), part.end());
    if (single.empty()) single = std::move(part);
  }
  return {{"type", "TemplateProcessing"},
          {"single", std::move(single)},
          {"pair", std::move(pair)},
          {"special_tokens", std::move(named)}};
}

OrderedJson bpe_json(const BpeOptions& options, OrderedJson vocabulary, OrderedJson merges) {
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", options.unknown_token ? OrderedJson(*options.unknown_token) : OrderedJson(nullptr)},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", options.fuse_unknown},
          {"byte_fallback", options.byte_fallback},
          {"ignore_merges", options.ignore_merges},
          {"vocab", std::move(vocabulary)},
          {"merges", std::move(merges)}};
}

std::string tokenizer_json(TokenizerParts parts) {
  const OrderedJson document = {{"version", "1.0"},
                                {"truncation", nullptr},
                                {"padding", nullptr},
                                {"added_tokens", std::move(parts.added_tokens)},
                                {"normalizer", std::move(parts.normalizer)},
                                {"pre_tokenizer", std::move(parts.pre_tokenizer)},
                                {"post_processor", std::move(parts.post_processor)},
                                {"decoder", std::move(parts.decoder)},
                                {"model", std::move(parts.model)}};
  return document.dump() + "\n";
}

OrderedJson merges_by_score(std::span<const std::string> pieces, std::span<const double> scores,
                            const std::function<std::optional<size_t>(std::string_view)>& id_of) {
  std::vector<size_t> order(pieces.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, std::greater<>(), [&](size_t i) { return scores[i]; });
  OrderedJson merges = OrderedJson::array();
  for (const size_t i : order) {
    const std::string_view piece = pieces[i];
    for (size_t cut = 0; cut < piece.size();) {
      cut += character_size(piece[cut]);
      if (cut == piece.size()) break;
      const std::string_view left = piece.substr(0, cut), right = piece.substr(cut);
      if (id_of(left) && id_of(right)) merges.push_back({std::string(left), std::string(right)});
    }
  }
  return merges;
}

}  // namespace sleb
