// A model's chat template as its files hold it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace sleb {

// Of the file that chat_template_of_folder() reads. Nothing where there is none. Throws Error(bad_input).
std::optional<std::string> chat_template_text_of_folder(const std::filesystem::path& folder);

}  // namespace sleb
