// A decoder's step that looks at every token as a whole.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "sleb/text/decoder/token_decoder.h"

namespace sleb {

class WholeTokenStage : public DecoderStage {
 public:
  explicit WholeTokenStage(Downstream next) : next_(next) {}

  void text(std::string_view part) final { token_ += part; }
  void end_token() final { token(std::exchange(token_, {})); }
  void finish() override { next_.finish(); }

 protected:
  virtual void token(std::string whole) = 0;
  Downstream next_;

 private:
  std::string token_;
};

}  // namespace sleb
