// Weights in several tensors: a quantization_config, a zero byte, and a .safetensors file with parts of a small model.
#include "fuzz/fuzz.h"
#include "sleb/base/json.h"
#include "sleb/checkpoint/families.h"
#include "sleb/checkpoint/formats/safetensors.h"
#include "sleb/checkpoint/packed/packed_weight.h"

namespace {

constexpr std::string_view model = R"({"model_type":"llama","hidden_size":32,"intermediate_size":64,
    "num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":1,"head_dim":16,"vocab_size":8,
    "max_position_embeddings":64})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  static const fuzzing::Scratch scratch;
  static const Json spec_json = parse_json(model, "config.json");
  static const ModelSpec spec = spec_from_config(JsonView(spec_json, "config.json"));
  const std::string_view text = fuzzing::text_of(data, size);
  const size_t end = text.find('\0');
  if (end == text.npos) return 0;
  const auto path = scratch.write("x.safetensors", text.substr(end + 1));
  fuzzing::accepts([&] {
    const Json config = {{"quantization_config", parse_json(text.substr(0, end), "config.json")}};
    const SafetensorsReader reader = SafetensorsReader::open_file(path);
    std::map<std::string, StoredTensor> tensors = reader.tensors();
    tensors.insert(reader.integers().begin(), reader.integers().end());
    const PackedWeights found = find_packed_weights(tensors, spec, JsonView(config, "config.json"), "x");
    for (const auto& entry : found.weights) {
      const PackedWeight& weight = *entry.second;
      std::vector<float> values(static_cast<size_t>(count_elements(weight.shape()).value()));
      fuzzing::accepts([&] { weight.decode_rows(0, weight.shape()[0], values); });
      fuzzing::accepts([&] { weight.check(); });
    }
  });
  return 0;
}
