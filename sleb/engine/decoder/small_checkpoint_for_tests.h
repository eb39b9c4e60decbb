// For tests: a small model on disk, all of its weights zero.
#pragma once

#include "sleb/checkpoint/checkpoint.h"
#include "sleb/checkpoint/families.h"
#include "tests/untrusted_file.h"

namespace sleb {

class SmallCheckpoint {
 public:
  explicit SmallCheckpoint(int64_t num_blocks) : checkpoint_(Checkpoint::open(written(num_blocks))) {}

  const Checkpoint& checkpoint() const { return checkpoint_; }

 private:
  const std::filesystem::path& written(int64_t num_blocks) const {
    const Json config = {
        {"model_type", "llama"},    {"num_hidden_layers", num_blocks}, {"hidden_size", 64}, {"intermediate_size", 128},
        {"num_attention_heads", 4}, {"num_key_value_heads", 2},        {"vocab_size", 100}, {"rms_norm_eps", 1e-5}};
    Json header;
    size_t bytes = 0;
    for (const TensorShape& tensor : spec_from_config(JsonView(config, "config.json")).tensors()) {
      size_t own = 4;
      for (const int64_t size : tensor.shape) own *= static_cast<size_t>(size);
      header[tensor.name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {bytes, bytes + own}}};
      bytes += own;
    }
    const std::string text = header.dump();
    folder_.write("config.json", config.dump());
    folder_.write("model.safetensors",
                  testing_files::bytes_of<uint64_t>(text.size()) + text + std::string(bytes, '\0'));
    return folder_.path();
  }

  testing_files::TemporaryFolder folder_;
  Checkpoint checkpoint_;
};

}  // namespace sleb
