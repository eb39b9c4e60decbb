#include "sleb/text/sources/tokenizer_config.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <unordered_map>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/text/model/token_model.h"

namespace sleb {
namespace fs = std::filesystem;
namespace {

constexpr uint64_t largest_file = uint64_t{64} << 20;

// transformers, PreTrainedTokenizerBase.SPECIAL_TOKENS_ATTRIBUTES, in the order in which they are added.
constexpr std::string_view standard_roles[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                               "pad_token", "cls_token", "mask_token"};

AddedTokenOptions plain_token(const std::string& content) {
  return {.content = content};
}

// The members of AddedToken; what is not said is as its constructor has it.
AddedTokenOptions token_of_object(const JsonView& object, bool always_special = false) {
  AddedTokenOptions token = {.content = object.at("content").string()};
  token.single_word = object.boolean_or("single_word", false);
  token.lstrip = object.boolean_or("lstrip", false);
  token.rstrip = object.boolean_or("rstrip", false);
  token.special = always_special || object.boolean_or("special", false);
  token.normalized = object.boolean_or("normalized", !token.special);
  return token;
}

AddedTokenOptions token_of(const JsonView& value, bool always_special) {
  return value.is_object() ? token_of_object(value, always_special) : plain_token(value.string());
}

std::vector<AddedTokenOptions> tokens_of(const JsonView& list, bool always_special) {
  std::vector<AddedTokenOptions> tokens;
  for (size_t i = 0; i < list.size(); ++i) tokens.push_back(token_of(list.at(i), always_special));
  return tokens;
}

void set_role(TokenizerConfig& config, const std::string& role, std::optional<AddedTokenOptions> token) {
  constexpr size_t most_roles = 1000;
  if (config.roles.size() == most_roles) bad_input("{}: more than {} keys end in _token", config.label, most_roles);
  const auto known = std::ranges::find(config.roles, role, &RoleToken::first);
  if (known == config.roles.end()) {
    config.roles.emplace_back(role, std::move(token));
  } else {
    known->second = std::move(token);
  }
}

struct File {
  fs::path path;
  Json document;
  std::string text;
  std::vector<std::string> keys;  // in the file's order, which decides the ids of tokens that the vocabulary lacks

  JsonView view() const { return JsonView(document, path.string()); }
};

std::optional<File> find_file(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return {};
  std::string text = read_file(path, largest_file);
  File file = {.path = path, .document = parse_json(text, path.string()), .text = {}, .keys = {}};
  if (!file.document.is_object()) bad_input("{}: expected an object", path.string());
  const auto keep_key = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth == 1 && event == Json::parse_event_t::key) file.keys.push_back(parsed.get<std::string>());
    return true;
  };
  [[maybe_unused]] const Json parsed_again = Json::parse(text, keep_key);
  file.text = std::move(text);
  return file;
}

void read_roles(const File& file, bool always_special, TokenizerConfig& config) {
  for (const std::string& key : file.keys) {
    const Json& value = file.document[key];
    // "add_bos_token" is a setting, any other key of this ending names a token of the model's own.
    if (!key.ends_with("_token") || value.is_boolean()) continue;
    if (value.is_null()) {
      if (is_standard_role(key)) set_role(config, key, {});
    } else {
      set_role(config, key, token_of(file.view().at(key), always_special));
    }
  }
}

// An object of roles and their tokens.
void read_named_tokens(const File& file, const char* key, bool always_special, TokenizerConfig& config) {
  const JsonView value = file.view().at(key);
  if (!value.is_object()) value.fail("expected an object");
  const OrderedJson in_order = parse_ordered_json(file.text, file.path.string());
  for (const auto& [role, token] : in_order.at(key).items()) {
    set_role(config, role, token_of(value.at(role), always_special));
  }
}

void read_extra_tokens(const File& file, const char* key, bool always_special, TokenizerConfig& config) {
  const auto value = file.view().find(key);
  if (!value) return;
  if (!value->is_object()) {
    config.extra = tokens_of(*value, always_special);
    return;
  }
  read_named_tokens(file, key, always_special, config);
}

void read_added_tokens_decoder(const JsonView& tokens, TokenizerConfig& config) {
  if (!tokens.is_object()) tokens.fail("expected an object");
  for (const auto& [key, value] : tokens.raw().items()) {
    int64_t id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error != std::errc() || end != key.data() + key.size() || id < 0 || id > largest_token_id) {
      tokens.fail(fmt::format("{:?} is not the id of a token", key));
    }
    config.added_tokens_by_id[id] = token_of_object(tokens.at(key));
  }
}

void read_special_tokens_map(const File& file, TokenizerConfig& config) {
  read_roles(file, true, config);
  if (const auto list = file.view().find("additional_special_tokens")) config.additional = tokens_of(*list, true);
  read_extra_tokens(file, "extra_special_tokens", true, config);
}

// The old form: contents to ids, without options.
void read_added_tokens(const File& file, TokenizerConfig& config) {
  std::set<std::string> special;
  for (const auto& [role, token] : config.roles) {
    if (token && is_standard_role(role)) special.insert(token->content);
  }
  for (const AddedTokenOptions& token : config.extra.value_or(std::vector<AddedTokenOptions>())) {
    special.insert(token.content);
  }
  for (const std::string& content : file.keys) {
    const int64_t id = file.view().at(content).integer(0, largest_token_id);
    const bool is_special = special.contains(content);
    const AddedTokenOptions token = {.content = content, .normalized = !is_special, .special = is_special};
    const auto [other, is_new] = config.added_tokens_by_id.emplace(id, token);
    if (!is_new) file.view().fail(fmt::format("{:?} and {:?} have one id", other->second.content, content));
  }
}

void read_settings(const File& file, TokenizerConfig& config) {
  const JsonView view = file.view();
  config.tokenizer_class = view.string_or("tokenizer_class", "");
  const auto find = [&](const char* key) {
    const auto value = view.find(key);
    return value ? std::optional(value->boolean()) : std::nullopt;
  };
  config.add_bos = find("add_bos_token");
  config.add_eos = find("add_eos_token");
  config.add_prefix_space = find("add_prefix_space");
  config.legacy = find("legacy");
  config.split_special_tokens = view.boolean_or("split_special_tokens", false);
  if (const auto map = view.find("auto_map")) config.has_auto_map = !map->is_object() || map->has("AutoTokenizer");
  read_roles(file, false, config);
  read_extra_tokens(file, "additional_special_tokens", false, config);
  if (const auto extra = view.find("extra_special_tokens"); extra && !extra->raw().empty()) {
    read_extra_tokens(file, "extra_special_tokens", false, config);
  }
  // Tokens of the model's own in any other form replace this one (PreTrainedTokenizerBase._from_pretrained).
  const auto is_own = [](const RoleToken& role) { return !is_standard_role(role.first); };
  if (view.find("model_specific_special_tokens") && std::ranges::none_of(config.roles, is_own)) {
    read_named_tokens(file, "model_specific_special_tokens", false, config);
  }
}

void read_model_type(const File& file, TokenizerConfig& config) {
  config.model_type = file.view().string_or("model_type", "");
  if (config.tokenizer_class.empty()) config.tokenizer_class = file.view().string_or("tokenizer_class", "");
}

}  // namespace

TokenizerConfig read_tokenizer_config(const fs::path& folder) {
  TokenizerConfig config;
  config.label = (folder / "tokenizer_config.json").string();
  for (const char* name : {"tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"}) {
    std::error_code ignored;
    config.found |= fs::exists(folder / name, ignored);
  }
  const auto settings = find_file(folder / "tokenizer_config.json");
  if (settings) read_settings(*settings, config);
  if (const auto decoder = settings ? settings->view().find("added_tokens_decoder") : std::nullopt) {
    config.has_added_tokens_decoder = true;
    read_added_tokens_decoder(*decoder, config);
  } else {
    if (const auto map = find_file(folder / "special_tokens_map.json")) read_special_tokens_map(*map, config);
    if (const auto added = find_file(folder / "added_tokens.json")) read_added_tokens(*added, config);
  }
  if (const auto model = find_file(folder / "config.json")) read_model_type(*model, config);
  if (config.tokenizer_class.ends_with("Fast")) config.tokenizer_class.resize(config.tokenizer_class.size() - 4);
  return config;
}

bool is_standard_role(std::string_view role) {
  return std::ranges::find(standard_roles, role) != std::end(standard_roles);
}

std::vector<RoleToken> all_roles(const TokenizerConfig& config, const TokenizerClassDefaults& defaults) {
  std::vector<RoleToken> roles;
  for (const std::string_view role : standard_roles) {
    const auto named = std::ranges::find(config.roles, role, &RoleToken::first);
    const auto usual = std::ranges::find(defaults.roles, role, [](const auto& entry) { return entry.first; });
    if (named != config.roles.end()) {
      roles.push_back(*named);
    } else if (usual != defaults.roles.end()) {
      roles.emplace_back(role, plain_token(usual->second));
    }
  }
  for (const RoleToken& role : config.roles) {
    if (!is_standard_role(role.first)) roles.push_back(role);
  }
  return roles;
}

namespace {

class TokenList {
 public:
  // A later token of the same content takes the earlier one's place, as in the library.
  void add(const AddedTokenOptions& token) {
    if (token.content.empty()) return;
    const auto [place, is_new] = places_.emplace(token.content, tokens_.size());
    if (is_new) {
      tokens_.push_back(token);
    } else {
      tokens_[place->second] = token;
    }
  }
  const std::vector<AddedTokenOptions>& tokens() const { return tokens_; }

 private:
  std::vector<AddedTokenOptions> tokens_;
  std::unordered_map<std::string, size_t> places_;
};

std::vector<AddedTokenOptions> tokens_to_add(const TokenizerConfig& config, const TokenizerClassDefaults& defaults) {
  const std::vector<RoleToken> roles = all_roles(config, defaults);
  std::set<std::string> with_role, with_id;
  for (const auto& [role, token] : roles) {
    if (token) with_role.insert(token->content);
  }
  TokenList list;
  for (auto [id, token] : config.added_tokens_by_id) {
    token.special |= with_role.contains(token.content);
    with_id.insert(token.content);
    list.add(token);
  }
  for (const auto& [role, token] : roles) {
    if (!token || with_id.contains(token->content)) continue;
    AddedTokenOptions special = *token;
    special.special = true;
    list.add(special);
  }
  const auto& fallback = config.additional.empty() ? defaults.extra : config.additional;
  const std::vector<AddedTokenOptions> extra = config.extra.value_or(fallback);
  for (AddedTokenOptions token : extra) {
    token.special |= with_role.contains(token.content);
    if (!with_id.contains(token.content)) list.add(token);
  }
  if (defaults.added_again == AddedAgain::plain) {
    for (const AddedTokenOptions& token : extra) with_role.insert(token.content);
    for (const std::string& content : with_role) list.add(plain_token(content));
  }
  if (defaults.added_again == AddedAgain::extra) {
    for (AddedTokenOptions token : extra) {
      token.special = true;
      list.add(token);
    }
  }
  return list.tokens();
}

}  // namespace

std::vector<AddedTokenOptions> tokens_beside(const TokenizerConfig& config,
                                             const std::vector<AddedTokenOptions>& added_tokens) {
  std::set<std::string> there, with_role;
  for (const AddedTokenOptions& token : added_tokens) there.insert(token.content);
  const std::vector<RoleToken> roles = all_roles(config, {});
  for (const auto& [role, token] : roles) {
    if (token) with_role.insert(token->content);
  }
  std::vector<AddedTokenOptions> tokens;
  const auto add = [&](AddedTokenOptions token) {
    token.special |= with_role.contains(token.content);
    tokens.push_back(std::move(token));
  };
  for (const auto& [id, token] : config.added_tokens_by_id) {
    if (std::ranges::find(added_tokens, token) == added_tokens.end()) add(token);
    there.insert(token.content);
  }
  for (const auto& [role, token] : roles) {
    if (token && there.insert(token->content).second) add(*token);
  }
  for (const AddedTokenOptions& token : config.extra.value_or(config.additional)) {
    if (there.insert(token.content).second) add(token);
  }
  return tokens;
}

SpecialTokenParts special_token_parts(
    const TokenizerConfig& config, const TokenizerClassDefaults& defaults, int64_t vocabulary_size,
    const std::function<std::optional<int64_t>(const std::string&)>& id_in_vocabulary) {
  std::map<std::string, int64_t> ids;
  OrderedJson added = OrderedJson::array();
  int64_t next_id = vocabulary_size;
  for (const AddedTokenOptions& token : tokens_to_add(config, defaults)) {
    const int64_t id = id_in_vocabulary(token.content).value_or(next_id);
    next_id = std::max(next_id, id + 1);
    ids[token.content] = id;
    added.push_back(added_token_json(token, id));
  }
  const std::vector<RoleToken> roles = all_roles(config, defaults);
  const auto token_of_role = [&](bool wanted, const char* name) -> std::optional<NamedToken> {
    const auto role = std::ranges::find(roles, name, &RoleToken::first);
    if (!wanted || role == roles.end() || !role->second || role->second->content.empty()) return {};
    const std::string& content = role->second->content;
    return NamedToken{content, ids.at(content)};
  };
  return {.added_tokens = std::move(added),
          .post_processor = template_json(token_of_role(config.add_bos.value_or(defaults.add_bos), "bos_token"),
                                          token_of_role(config.add_eos.value_or(false), "eos_token"))};
}

}  // namespace sleb
