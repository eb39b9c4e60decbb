// tokenizer_files_dump VOCABULARY.json FOLDER: writes the tokenizer files that sleb makes of a GGUF vocabulary, given
// as a JSON object with the members of GgufVocabulary.

#include <cstdio>
#include <filesystem>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/text/gguf_vocabulary.h"

namespace {

using sleb::JsonView;

template <typename Value>
std::optional<Value> find(const JsonView& object, const char* key) {
  const auto member = object.find(key);
  return member ? std::optional(member->raw().get<Value>()) : std::nullopt;
}

sleb::GgufVocabulary vocabulary_of(const JsonView& object) {
  sleb::GgufVocabulary vocabulary;
  vocabulary.label = object.place();
  vocabulary.model = object.at("model").string();
  vocabulary.pre = object.string_or("pre", "");
  vocabulary.tokens = object.at("tokens").raw().get<std::vector<std::string>>();
  vocabulary.token_types = object.at("token_types").raw().get<std::vector<int64_t>>();
  if (const auto scores = object.find("scores")) vocabulary.scores = scores->raw().get<std::vector<double>>();
  vocabulary.merges = object.at("merges").raw().get<std::vector<std::string>>();
  vocabulary.bos = find<int64_t>(object, "bos");
  vocabulary.eos = find<int64_t>(object, "eos");
  vocabulary.unknown = find<int64_t>(object, "unknown");
  vocabulary.padding = find<int64_t>(object, "padding");
  vocabulary.add_bos = find<bool>(object, "add_bos");
  vocabulary.add_eos = find<bool>(object, "add_eos");
  vocabulary.add_space_prefix = find<bool>(object, "add_space_prefix");
  vocabulary.remove_extra_whitespaces = find<bool>(object, "remove_extra_whitespaces");
  vocabulary.chat_template = find<std::string>(object, "chat_template");
  return vocabulary;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: tokenizer_files_dump VOCABULARY.json FOLDER\n", stderr);
    return 2;
  }
  try {
    const std::filesystem::path folder = argv[2];
    const sleb::Json document = sleb::parse_json(sleb::read_file(argv[1]), argv[1]);
    const sleb::TokenizerFiles files = sleb::tokenizer_files(vocabulary_of(JsonView(document, argv[1])));
    sleb::write_file_atomically(folder / "tokenizer.json", files.tokenizer_json);
    sleb::write_file_atomically(folder / "tokenizer_config.json", files.tokenizer_config_json);
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
