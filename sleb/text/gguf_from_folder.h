// The tokenizer of a Hugging Face folder as the vocabulary of a GGUF.
#pragma once

#include <cstdint>
#include <filesystem>

#include "sleb/text/gguf_vocabulary.h"

namespace sleb {

// As llama.cpp's converter writes it (conversion/base.py), for `size` tokens, the rows of the embedding: those without
// a token are called [PAD7]. Two kinds are known: bytes merged by BPE ("gpt2"), and SentencePiece's BPE that falls back
// to bytes ("llama"), whose scores are made of the merges' order. The name of the way in which texts are split
// (tokenizer.ggml.pre) is that of the known one under which sample texts get the very ids that the folder gives them;
// llama.cpp's converter goes by a hash of one such text's ids.
// Throws Error(bad_input) for a tokenizer of another kind, without a tokenizer.json, that puts more than BOS and EOS
// around texts, or under no known name gives the samples their ids.
GgufVocabulary gguf_vocabulary_of_folder(const std::filesystem::path& folder, int64_t size);

}  // namespace sleb
