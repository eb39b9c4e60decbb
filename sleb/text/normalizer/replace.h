// Normalizers that put text of the file's into the text.
#pragma once

#include <memory>

#include "sleb/text/normalizer/normalizer.h"

namespace sleb {

std::unique_ptr<Normalizer> make_prepend(const JsonView& component);
std::unique_ptr<Normalizer> make_replace(const JsonView& component);

}  // namespace sleb
