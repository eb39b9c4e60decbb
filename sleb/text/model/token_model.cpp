#include "sleb/text/model/token_model.h"

#include <fmt/core.h>

#include "sleb/text/model/bpe.h"

namespace sleb {

std::unique_ptr<TokenModel> make_token_model(const JsonView& model) {
  // Files of before 2020, GPT-2's among them, don't name the type; the library then tells BPE by its merges.
  const std::string type = model.string_or("type", model.has("merges") ? "BPE" : "without a type");
  if (type == "BPE") return std::make_unique<Bpe>(model);
  model.fail(fmt::format("the model {:?} is not supported", type));
}

}  // namespace sleb
