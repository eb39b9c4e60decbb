// A GGUF file: the format, and what is read out of it as a model and as a vocabulary.
#include "sleb/checkpoint/formats/gguf.h"

#include <memory>

#include "fuzz/decode_all.h"
#include "fuzz/fuzz.h"
#include "sleb/checkpoint/configuration/gguf_spec.h"
#include "sleb/checkpoint/gguf_model.h"
#include "sleb/checkpoint/gguf_tensors.h"
#include "sleb/text/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sleb;
  static const fuzzing::Scratch scratch;
  const auto path = scratch.write("x.gguf", fuzzing::text_of(data, size));
  std::unique_ptr<GgufFile> file;
  if (!fuzzing::accepts([&] { file = std::make_unique<GgufFile>(path); })) return 0;
  fuzzing::decode_all(file->tensors());
  fuzzing::accepts([&] {
    const ModelSpec spec = spec_from_gguf(*file);
    gguf_warnings(*file);
    end_of_text_ids(*file);
    tensors_under_hugging_face_names(*file, spec);
    config_from_gguf(*file, spec).dump();
  });
  fuzzing::accepts([&] {
    const TokenizerFiles files = tokenizer_files(vocabulary_of(*file));
    Tokenizer::from_json(files.tokenizer_json, "rebuilt").encode("some text \xf0\x9f\x98\x80 12");
  });
  return 0;
}
