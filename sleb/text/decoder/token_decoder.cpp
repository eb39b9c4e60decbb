#include "sleb/text/decoder/token_decoder.h"

#include <utility>

#include "sleb/base/error.h"
#include "sleb/text/component_steps.h"
#include "sleb/text/decoder/byte_stages.h"
#include "sleb/text/decoder/text_stages.h"
#include "sleb/text/growth.h"

namespace sleb {
namespace {

constexpr size_t most_steps = 64;  // each is one call deep in those before it

struct Row {
  std::string_view type;
  MakeStage (*make)(const JsonView& component);
};

constexpr Row rows[] = {
    {"ByteLevel", byte_level_stage},
    {"ByteFallback", byte_fallback_stage},
    {"Metaspace", metaspace_stage},
    {"Fuse", fuse_stage},
    {"Strip", strip_stage},
    {"Replace", replace_stage},
    {"WordPiece", word_piece_stage},
    {"BPEDecoder", end_of_word_stage},
    {"CTC", ctc_stage},
};

}  // namespace

void Downstream::check_room(size_t more) const {
  if (given_ + more > longest_rewriting(*taken_)) {  // none in use makes a text longer, but for blanks between tokens
    bad_input("{}: makes a text more than {} times longer", *place_, most_growth);
  }
}

void Downstream::text(std::string_view part) {
  check_room(part.size());
  given_ += part.size();
  next_->text(part);
}

TokenDecoder::TokenDecoder() : steps_{blanks_between_stage()} {}

TokenDecoder::TokenDecoder(const JsonView& component) : place_(component.place()) {
  append(component);
}

void TokenDecoder::append(const JsonView& component) {
  append_steps(component, {"decoder", "decoders", most_steps}, rows, steps_);
}

std::vector<std::unique_ptr<DecoderStage>> TokenDecoder::start(DecoderStage& out, const size_t& taken) const {
  std::vector<std::unique_ptr<DecoderStage>> stages;
  for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
    DecoderStage& next = stages.empty() ? out : *stages.back();
    stages.push_back((*step)(Downstream(next, taken, place_)));
  }
  return stages;
}

}  // namespace sleb
