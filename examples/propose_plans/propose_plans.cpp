// A search of your own proposes plans and reads their losses: here what the model loses without each of its blocks.
//
// usage: propose_plans MODEL_FOLDER TEXT_FILE SEQLEN
#include <sleb/base/error.h>
#include <sleb/engine/sweep/plan_evaluator.h>

#include <cstdio>
#include <cstdlib>

namespace {

void print_losses(const char* folder, const char* text, int64_t seqlen) {
  const auto checkpoint = sleb::Checkpoint::open(folder);
  const sleb::Model model(checkpoint, {.dtype = "float32"}, sleb::silent_progress());
  const auto corpus = sleb::evaluation_corpus(sleb::TextSource(text), checkpoint.tokenizer(), {.seqlen = seqlen});
  const sleb::PlanEvaluator evaluator(model, corpus);
  std::vector<sleb::Plan> plans = {{}};  // the dense model
  for (int64_t block = 0; block < model.spec().num_blocks; ++block) plans.push_back(sleb::Plan().bypass_block(block));
  const auto losses = evaluator.evaluate(plans, {}, sleb::silent_progress());
  std::printf("dense: %.9g nats\n", losses[0].total_nll());
  for (size_t i = 1; i < plans.size(); ++i) std::printf("without block %zu: %.9g nats\n", i - 1, losses[i].total_nll());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fputs("usage: propose_plans MODEL_FOLDER TEXT_FILE SEQLEN\n", stderr);
    return 2;
  }
  try {
    print_losses(argv[1], argv[2], std::atoll(argv[3]));
    return 0;
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
