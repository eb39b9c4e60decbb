// Normalizers that look at one character after another: removing some, writing others differently.
#pragma once

#include <memory>

#include "sleb/text/normalizer/normalizer.h"

namespace sleb {

std::unique_ptr<Normalizer> make_strip(const JsonView& component);          // blanks at the ends
std::unique_ptr<Normalizer> make_strip_accents(const JsonView& component);  // combining marks
std::unique_ptr<Normalizer> make_nmt(const JsonView& component);            // controls, kinds of blanks
std::unique_ptr<Normalizer> make_bert_normalizer(const JsonView& component);
std::unique_ptr<Normalizer> make_byte_level_normalizer(const JsonView& component);  // bytes as characters

}  // namespace sleb
