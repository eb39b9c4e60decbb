// The tokenizer of a folder whose vocabulary is tokenizer.model.
#pragma once

#include <filesystem>

#include "sleb/text/tokenizer.h"

namespace sleb {

// There are two readings of such a folder, and they differ on blanks at the start and behind special tokens:
// - Where its files name LlamaTokenizer or GemmaTokenizer, or config.json a model of the latter, and the pieces are of
//   BPE, ids are those of that class in transformers 5, with which the folder is used. The class takes from the file
//   only pieces and their order, so they are said as a tokenizer.json.
// - Else nothing but the file says how to read text, so what lies between added tokens is encoded as SentencePiece does
//   it; so does InternLM2Tokenizer, which puts BOS in front unless the files say otherwise. (Here transformers would
//   build a tokenizer that leaves out the file's own blank at the start, and where such a class is named for a Unigram
//   model, one that merges by BPE: neither is what the model was trained with.)
// Throws Error(bad_input) for a damaged file and for a tokenizer_class that is not known.
Tokenizer tokenizer_of_sentencepiece_folder(const std::filesystem::path& folder);

}  // namespace sleb
