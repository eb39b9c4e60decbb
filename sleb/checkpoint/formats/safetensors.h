// The safetensors format: 8 bytes of header length (little-endian), a JSON header, then the tensors' bytes.
// https://huggingface.co/docs/safetensors
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "sleb/base/file.h"
#include "sleb/checkpoint/formats/stored_tensor.h"

namespace sleb {

// The tensors of one or several mapped safetensors files, in name order. The bytes live as long as this object.
// Opening reads headers only, whatever the size of the data.
class SafetensorsReader {
 public:
  // `path`: a .safetensors file.
  // Throws Error(bad_input), naming file and tensor, for anything that does not follow the format, and for types that
  // StoredType lacks.
  static SafetensorsReader open_file(const std::filesystem::path& path);
  // `folder`: holds model.safetensors, or model.safetensors.index.json with its shards. A shard's name may not leave
  // the folder, nor may a link that it names (but for the Hugging Face cache's own, from snapshots/ into blobs/).
  // Throws Error(bad_input) also for tensors that the index names and no shard holds, or the reverse.
  static SafetensorsReader open_folder(const std::filesystem::path& folder);

  // Those of numbers that are not integers.
  const std::map<std::string, StoredTensor>& tensors() const { return tensors_; }
  // Integers and booleans: parts of packed weights (packed/packed_weight.h), and buffers that some checkpoints carry
  // (position ids, masks); never weights by themselves.
  const std::map<std::string, StoredTensor>& integers() const { return integers_; }
  // Bytes on disk of all files together.
  uint64_t file_bytes() const;
  // The files as they are, in the order in which they were opened.
  std::vector<Bytes> contents() const;

 private:
  SafetensorsReader() = default;
  // The names of all the file's tensors, integers too.
  std::set<std::string> add_file(const std::filesystem::path& path);

  std::vector<MappedFile> files_;
  std::map<std::string, StoredTensor> tensors_;
  std::map<std::string, StoredTensor> integers_;
};

// Writes one safetensors file, tensor by tensor in the order of `layout`, none of them quantised; the header carries
// {"format": "pt"}, without which transformers refuses a file. Tensor data begins at a multiple of 8 bytes. Throws
// Error(failed) where the disk refuses, and for calls that do not follow the layout.
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::filesystem::path& path, std::vector<TensorLayout> layout);
  // The next tensor's bytes; their number must be the layout's.
  void write(Bytes data);
  // Syncs and closes; every tensor must have been written.
  void close();

 private:
  OutputFile file_;
  std::string label_;
  std::vector<TensorLayout> layout_;
  size_t next_ = 0;
};

}  // namespace sleb
