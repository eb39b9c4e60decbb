// The files that belong to a model beside its weights and config.json, and go with it into an output.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

namespace sleb {

// Copies the tokenizer, chat templates and generation settings of the checkpoint `folder` to `target`, byte for byte.
// What is copied may be published, so each must be what its name says: JSON an object, a template UTF-8, a tokenizer
// model readable. A link that leaves the folder may lead to a private file: there the content must also have what only
// such a file has (tokenizer.json a "model", a template expressions and "messages"), and kinds that any text could pass
// for (merges.txt, vocab.txt, tiktoken.model) are refused. Throws Error(bad_input), naming the file.
void copy_companions(const std::filesystem::path& folder, const std::filesystem::path& target);

// Their names in a model's folder, as transformers and its tokenizers know them.
std::span<const std::string_view> companion_names();

}  // namespace sleb
