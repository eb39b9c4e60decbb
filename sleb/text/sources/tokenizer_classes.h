// The tokenizer classes of transformers 5 that make parts of a tokenizer themselves, whatever its files say of them.
#pragma once

#include <string_view>

#include "sleb/base/json.h"
#include "sleb/text/sources/tokenizer_config.h"
#include "sleb/text/sources/tokenizer_json.h"

namespace sleb {

// All but vocabulary and merges.
struct ClassParts {
  OrderedJson normalizer, pre_tokenizer, decoder;  // null for none
  BpeOptions model;
};

enum class VocabularyFiles {
  vocab_and_merges,  // where there is no tokenizer.json: vocab.json and merges.txt
  sentencepiece      // tokenizer.model
};

// models/*/tokenization_*.py.
struct TokenizerClass {
  std::string_view name;
  VocabularyFiles files;
  std::string_view model_types;  // of which it is the registered class, with blanks between
  TokenizerClassDefaults defaults;
  bool own_post_processor;  // the one in tokenizer.json does not count either
  ClassParts (*parts)(const TokenizerConfig&);
};

// Nothing for a name that is not in the table.
const TokenizerClass* find_tokenizer_class(std::string_view name);

// Whether the name stands for "whatever the files hold"; so does no name.
bool is_generic_tokenizer_class(std::string_view name);

struct ChosenClass {
  const TokenizerClass* own = nullptr;  // null: tokenizer.json counts as it stands
  bool is_known = true;                 // false: transformers may have a class of that name
};

// As AutoTokenizer.from_pretrained (models/auto/tokenization_auto.py) weighs the class that the files name against the
// one registered for the model's type. `has_byte_level`: tokenizer.json names the component "ByteLevel".
ChosenClass choose_tokenizer_class(const TokenizerConfig& config, bool has_byte_level);

}  // namespace sleb
