// The normalization forms of Unicode, and lower case.
#pragma once

#include <memory>

#include "sleb/text/normalizer/normalizer.h"

namespace sleb {

std::unique_ptr<Normalizer> make_unicode_form(const JsonView& component);  // by its type: "NFC", "NFD", "NFKC", "NFKD"
std::unique_ptr<Normalizer> make_lowercase(const JsonView& component);

}  // namespace sleb
