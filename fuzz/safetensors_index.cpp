// model.safetensors.index.json beside two good shards, a folder, and a link that leads out.
#include "fuzz/decode_all.h"
#include "fuzz/fuzz.h"
#include "sleb/checkpoint/formats/safetensors.h"

namespace {

struct Checkpoint {
  Checkpoint() {
    namespace fs = std::filesystem;
    for (const std::string name : {"a", "b"}) {
      sleb::SafetensorsWriter writer(scratch.folder() / (name + ".safetensors"), {{name, sleb::StoredType::f32, {1}}});
      writer.write(std::as_bytes(std::span("\0\0\0", 4)));
      writer.close();
    }
    fs::create_directory(scratch.folder() / "folder");
    fs::create_symlink("/etc/hostname", scratch.folder() / "link.safetensors");
  }
  sleb::fuzzing::Scratch scratch;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  static const Checkpoint checkpoint;
  checkpoint.scratch.write("model.safetensors.index.json", fuzzing::text_of(data, size));
  fuzzing::accepts([&] { fuzzing::decode_all(SafetensorsReader::open_folder(checkpoint.scratch.folder()).tensors()); });
  return 0;
}
