// What AutoTokenizer reads beside a vocabulary: tokenizer_config.json, special_tokens_map.json, added_tokens.json, and
// of config.json the type of the model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/text/sources/tokenizer_json.h"

namespace sleb {

// A special token by its role ("bos_token"); nothing where the file says null.
using RoleToken = std::pair<std::string, std::optional<AddedTokenOptions>>;

struct TokenizerConfig {
  std::string label;            // tokenizer_config.json's path, for messages
  bool found = false;           // any of the three files is there
  std::string tokenizer_class;  // without a final "Fast"; empty where no file says it
  std::string model_type;       // of config.json; may be empty
  bool has_auto_map = false;    // a tokenizer class in code beside the files
  bool has_added_tokens_decoder = false;
  bool split_special_tokens = false;
  std::optional<bool> add_bos, add_eos;
  std::optional<bool> add_prefix_space;
  std::optional<bool> legacy;
  std::vector<RoleToken> roles;                             // as far as the files name them, bos_token first
  std::optional<std::vector<AddedTokenOptions>> extra;      // extra_special_tokens
  std::vector<AddedTokenOptions> additional;                // additional_special_tokens of special_tokens_map.json
  std::map<int64_t, AddedTokenOptions> added_tokens_by_id;  // added_tokens_decoder, or added_tokens.json
};

// Of the files in `folder`, each of which may be absent; special_tokens_map.json and added_tokens.json count only where
// tokenizer_config.json has no added_tokens_decoder (transformers, PreTrainedTokenizerBase._from_pretrained).
// Throws Error(bad_input) for malformed files and options that are not supported.
TokenizerConfig read_tokenizer_config(const std::filesystem::path& folder);

// The tokens that the files beside a tokenizer.json add to its own `added_tokens`, in transformers' order
// (TokenizersBackend.__init__): those of added_tokens_decoder whose options differ or that are new, then special tokens
// by role and extra ones that are not there yet.
std::vector<AddedTokenOptions> tokens_beside(const TokenizerConfig& config,
                                             const std::vector<AddedTokenOptions>& added_tokens);

// Which special tokens a class adds once more behind the others, so that these options count.
enum class AddedAgain {
  none,
  plain,  // all, as they are without options
  extra   // those of extra_special_tokens, as these stand there, and special
};

// What a tokenizer class says where the files are silent.
struct TokenizerClassDefaults {
  std::vector<std::pair<std::string, std::string>> roles;  // {"bos_token", "<s>"}
  // Stands in for extra_special_tokens; used only where no file gives those.
  std::vector<AddedTokenOptions> extra;
  AddedAgain added_again = AddedAgain::none;
  bool add_bos = false;
};

// The roles of the files and of the class, in transformers' order: the standard ones first, bos_token to mask_token.
std::vector<RoleToken> all_roles(const TokenizerConfig& config, const TokenizerClassDefaults& defaults);
bool is_standard_role(std::string_view role);

// The special tokens in the order in which transformers' TokenizersBackend adds them to a vocabulary, and the
// post-processor. `id_in_vocabulary` and `vocabulary_size` are those of the model; tokens that it lacks get the next
// ids.
struct SpecialTokenParts {
  OrderedJson added_tokens;
  OrderedJson post_processor;
};
SpecialTokenParts special_token_parts(
    const TokenizerConfig& config, const TokenizerClassDefaults& defaults, int64_t vocabulary_size,
    const std::function<std::optional<int64_t>(const std::string&)>& id_in_vocabulary);

}  // namespace sleb
