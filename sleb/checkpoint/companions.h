// The files that belong to a model beside its weights and config.json, and go with it into an output.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sleb {

// Copies the tokenizer, chat templates and generation settings of the checkpoint `folder` to `target`, byte for byte
// but for the auto_map of tokenizer_config.json, which is left out where the Python code that it names does not go
// along. Of a model that brings_code() it does: every file *.py. What is copied may be published, so each must be what
// its name says: JSON an object, a template UTF-8, a tokenizer model readable. A link that leaves the folder may lead
// to a private file: there the content must also have what only such a file has (tokenizer.json a "model", a template
// expressions and "messages"), and kinds that any text could pass for (merges.txt, vocab.txt, tiktoken.model, code) are
// refused. Throws Error(bad_input), naming the file.
void copy_companions(const std::filesystem::path& folder, const std::filesystem::path& target);

// Whether the folder's config.json is of a family that transformers has no class for (Family::own_code); false without
// a readable one.
bool brings_code(const std::filesystem::path& folder);

// The names of the files *.py in the folder, sorted.
std::vector<std::string> code_files(const std::filesystem::path& folder);

// Whether tokenizer_config.json has an auto_map: transformers may make the tokenizer by Python code in the folder.
// Throws Error(bad_input) for a file that is no JSON object.
bool tokenizer_names_own_code(const std::filesystem::path& folder);

// Their names in a model's folder, as transformers and its tokenizers know them.
std::span<const std::string_view> companion_names();

}  // namespace sleb
