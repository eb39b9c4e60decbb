// The forms of packed weights, one function each: it checks a quantization_config and returns what finds the weight of
// a module in it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sleb/base/json.h"
#include "sleb/checkpoint/packed/module_parts.h"
#include "sleb/checkpoint/packed/packed_weight.h"

namespace sleb {

struct PackedForm {
  // `shape`: the weight's, [rows, columns]. Nothing where the module's weight is not packed.
  std::function<std::unique_ptr<PackedWeight>(ModuleParts& module, const std::vector<int64_t>& shape)> find;
  std::vector<std::string> warnings = {};
};

// GPTQ as AutoGPTQ, optimum and GPTQModel write it (gptqmodel, nn_modules/qlinear/__init__.py and utils/model.py,
// convert_gptq_v1_to_v2_format_module). Of a weight [out, in] of b bits:
//   qweight  I32 [in b / 32, out]      numbers of one row below each other in words
//   qzeros   I32 [groups, out b / 32]  zero points; the first form of the format (checkpoint_format "gptq") stores them
//                                      less one, the second ("gptq_v2") as they are
//   scales   [groups, out]
//   g_idx    I32 [in]                  each column's group; absent: column / group size
// value = scale x (number - zero point), rounded to the scales' type.
PackedForm gptq_form(const JsonView& quantization);

// AWQ as autoawq writes it (awq/utils/packing_utils.py and modules/linear/gemm.py, gemv.py). Of a weight [out, in]:
//   version "gemm": qweight I32 [in, out / 8], qzeros I32 [groups, out / 8], numbers of a column in the order of
//                   NibbleOrder::awq; scales [groups, out]
//   version "gemv": qweight I32 [out, in / 8], qzeros I32 [out, w], scales [out, 8 w], numbers in ascending order; w is
//                   groups / 8, rounded up to a multiple of 2 for groups of 64, of 4 for groups of 32
// value = scale x (number - zero point), rounded to the scales' type.
PackedForm awq_form(const JsonView& quantization);

// compressed-tensors' integers (compressed_tensors, compressors/pack_quantized and naive_quantized,
// quantization/lifecycle/forward_helpers.py). Of a weight [out, in] of b bits:
//   pack-quantized: weight_packed I32 [out, in b / 32], numbers + 2^(b - 1); weight_shape I64 or I32 [2];
//                   weight_zero_point I32 [out b / 32, groups], packed likewise along rows
//   int-quantized:  weight I8 [out, in]; weight_zero_point I8, of the scales' shape
//   weight_scale [out, groups], [out, 1], [out] or one for all
// value = (number - zero point) x scale, rounded to the scale's type.
PackedForm compressed_tensors_form(const JsonView& quantization);

// bitsandbytes (functional.py, QuantState and dequantize_4bit; _ops.py, int8_vectorwise_dequant). Of a weight of n
// values, row by row:
//   4 bits: weight, n / 2 bytes of any type, the first value of two in the high bits; weight.absmax F32 [blocks];
//           weight.quant_map F32 [16]; weight.quant_state.bitsandbytes__nf4 (or fp4) U8, a JSON text with quant_type,
//           blocksize, dtype, shape; with double quantisation weight.absmax is U8, a place in weight.nested_quant_map
//           F32 [256], times weight.nested_absmax F32 [blocks of blocks], plus the text's nested_offset
//           value = table[number] x absmax in float32, rounded to dtype
//   8 bits: weight I8 [out, in], SCB F32 [out]; value = number x SCB x (1 / 127) in float32
PackedForm bitsandbytes_form(const JsonView& quantization);

// MXFP4 as GPT-OSS's experts are stored (transformers, integrations/mxfp4.py: convert_moe_packed_tensors; OCP
// Microscaling Formats 1.0, sections 5.2 and 6.3). Of a stack [experts, in, out]:
//   NAME_blocks U8 [experts, out, in / 32, 16]  numbers of 4 bits along `in`, the first of two in the low bits
//   NAME_scales U8 [experts, out, in / 32]      exponents + 127 of groups of 32; 255 is not a number
// value = table[number] x 2^exponent, which bfloat16 holds.
PackedForm mxfp4_form(const JsonView& quantization);

// Throws Error(bad_input) for a member that is in no list, not null and neither false, 0 nor empty.
void check_members(const JsonView& quantization, std::initializer_list<std::string_view> read,
                   std::initializer_list<std::string_view> harmless = {});

// "int4 in groups of 128", "int8 by row".
std::string integer_form(int bits, int64_t groups, int64_t group_size);

}  // namespace sleb
