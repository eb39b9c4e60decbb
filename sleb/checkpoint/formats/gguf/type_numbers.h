// The numbers by which a GGUF file names types (ggml's docs/gguf.md; ggml.h, enum ggml_type).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace sleb {

enum class GgufValueType : uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

// ggml's name of every tensor type number it ever gave out.
inline constexpr auto ggml_type_names = std::to_array<std::string_view>({
    "F32",        "F16",        "Q4_0",       "Q4_1",  "Q4_2",     "Q4_3",     "Q5_0",     "Q5_1",    "Q8_0",
    "Q8_1",       "Q2_K",       "Q3_K",       "Q4_K",  "Q5_K",     "Q6_K",     "Q8_K",     "IQ2_XXS", "IQ2_XS",
    "IQ3_XXS",    "IQ1_S",      "IQ4_NL",     "IQ3_S", "IQ2_S",    "IQ4_XS",   "I8",       "I16",     "I32",
    "I64",        "F64",        "IQ1_M",      "BF16",  "Q4_0_4_4", "Q4_0_4_8", "Q4_0_8_8", "TQ1_0",   "TQ2_0",
    "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4", "NVFP4",    "Q1_0",     "Q2_0",
});

// ggml's number of a type's name; ggml_type_names.size() for a type that ggml lacks.
constexpr uint32_t ggml_type_number(std::string_view name) {
  return static_cast<uint32_t>(std::ranges::find(ggml_type_names, name) - ggml_type_names.begin());
}

}  // namespace sleb
