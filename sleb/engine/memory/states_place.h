// Where the hidden states of a whole text are.
#pragma once

namespace sleb {

enum class StatesPlace {
  device,  // of the model's embedding
  memory,  // the machine's; on the CPU the same
  disk,
};

}  // namespace sleb
