// For test_formats.py and test_fp8.py: decode_dump FILE TENSOR writes the tensor's values to stdout as little-endian
// float32. FILE is a .gguf file, a .safetensors file, a folder of safetensors, or a model's folder with its
// config.json.
#include <cstdio>
#include <filesystem>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/checkpoint/formats/gguf.h"
#include "sleb/checkpoint/formats/safetensors.h"

namespace {

std::vector<float> values_of(const std::map<std::string, sleb::StoredTensor>& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end()) sleb::bad_input("no tensor {}", sleb::quote(name));
  const sleb::StoredTensor& tensor = found->second;
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  sleb::decode(tensor.type, tensor.data, values);
  return values;
}

std::vector<float> values_of(const sleb::Checkpoint& checkpoint, const std::string& name) {
  std::vector<float> values(static_cast<size_t>(checkpoint.tensor(name).elements()));
  checkpoint.read(name, values);
  return values;
}

std::vector<float> read_values(const std::filesystem::path& path, const std::string& name) {
  if (path.extension() == ".gguf") return values_of(sleb::GgufFile(path).tensors(), name);
  if (std::filesystem::exists(path / "config.json")) return values_of(sleb::Checkpoint::open(path), name);
  if (std::filesystem::is_directory(path)) {
    return values_of(sleb::SafetensorsReader::open_folder(path).tensors(), name);
  }
  return values_of(sleb::SafetensorsReader::open_file(path).tensors(), name);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: decode_dump FILE TENSOR\n", stderr);
    return 2;
  }
  try {
    const std::vector<float> values = read_values(argv[1], argv[2]);
    return std::fwrite(values.data(), sizeof(float), values.size(), stdout) == values.size() ? 0 : 1;
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.kind() == sleb::ErrorKind::bad_input ? 2 : 1;
  }
}
