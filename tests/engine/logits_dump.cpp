// For test_logits.py: logits_dump MODEL IDS.npy DTYPE REMOVAL_LIST... writes to stdout, for each removal list, the
// logits [tokens, vocabulary] of the model without those blocks as little-endian float32. DTYPE packed: of weights that
// stay packed.
#include <cstdio>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/progress.h"
#include "sleb/corpus/corpus.h"
#include "sleb/engine/plans/removal_list.h"
#include "sleb/engine/sequences/forward.h"

namespace {

bool write_logits(const sleb::Model& model, const std::vector<int64_t>& ids, const char* removal_list) {
  const sleb::Plan plan = sleb::plan_without(sleb::parse_removal_list(removal_list, model.spec()));
  const auto logits = sleb::compute_logits(model, plan, ids, sleb::LogitRows::all);
  return std::fwrite(logits.data(), sizeof(float), logits.size(), stdout) == logits.size();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fputs("usage: logits_dump MODEL IDS.npy DTYPE REMOVAL_LIST...\n", stderr);
    return 2;
  }
  try {
    const auto checkpoint = sleb::Checkpoint::open(argv[1]);
    sleb::ComputeOptions options{.device = "cpu", .dtype = argv[3]};
    if (options.dtype == "packed") options = {.device = "cpu", .packed_weights = true};
    const sleb::Model model(checkpoint, options, sleb::silent_progress());
    const auto ids = sleb::read_npy_ids(argv[2]);
    for (int i = 4; i < argc; ++i) {
      if (!write_logits(model, ids, argv[i])) return 1;
    }
    return 0;
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.kind() == sleb::ErrorKind::bad_input ? 2 : 1;
  }
}
