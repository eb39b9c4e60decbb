// task_requests_dump MODEL TASKS DATA MAX_LENGTH [LIMIT [EXAMPLES [SEED [TASKS_FILE]]]]: every request of the tasks as
// a line of JSON: {"task", "doc_id", "target", "prefix", "requests": [[prompt, continuation]], "sequences": [[ids,
// scored]]}. LIMIT 0: all rows. SEED -1: the first rows are the examples.

#include <cstdio>
#include <string>
#include <vector>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/base/json.h"
#include "sleb/checkpoint/checkpoint.h"
#include "sleb/eval/tasks/load.h"

namespace {

void print(const sleb::LoadedTask& task, const sleb::ContextRules& rules) {
  for (size_t i = 0; i < task.questions.size(); ++i) {
    const sleb::Question& question = task.questions[i];
    sleb::OrderedJson line = {{"task", task.task.name},
                              {"doc_id", question.id},
                              {"target", question.answer.target},
                              {"prefix", rules.prefix ? rules.prefix->id : -1},
                              {"words", question.answer.words},
                              {"bytes", question.answer.bytes},
                              {"requests", sleb::OrderedJson::array()},
                              {"sequences", sleb::OrderedJson::array()}};
    for (const auto& request : question.requests) line["requests"].push_back({request.prompt, request.continuation});
    for (const auto& sequence : task.sequences[i]) {
      line["sequences"].push_back(sleb::OrderedJson::array({sequence.ids, sequence.scored}));
    }
    std::printf("%s\n", line.dump().c_str());
  }
}

void run(const std::vector<std::string>& arguments) {
  const auto number = [&](size_t i, int64_t otherwise) {
    return i < arguments.size() ? std::stoll(arguments[i]) : otherwise;
  };
  const sleb::Tokenizer tokenizer = sleb::load_tokenizer(arguments[0]);
  sleb::TaskTable table = sleb::built_in_tasks();
  if (arguments.size() > 7) sleb::read_tasks(sleb::read_file(arguments[7]), arguments[7], table);
  const sleb::ContextRules rules{sleb::prefix_token(arguments[0], tokenizer), number(3, 2048)};
  sleb::TaskOptions options{.data = arguments[2]};
  if (const int64_t limit = number(4, 0); limit > 0) options.limit = limit;
  options.few_shot.count = number(5, 0);
  if (const int64_t seed = number(6, -1); seed >= 0) options.few_shot.seed = static_cast<uint64_t>(seed);
  const auto tasks = sleb::select_tasks(table, arguments[1]);
  for (const auto& task : sleb::load_tasks(tasks, options, tokenizer, rules, sleb::silent_progress())) {
    print(task, rules);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) {
    std::fputs("usage: task_requests_dump MODEL TASKS DATA MAX_LENGTH [LIMIT [EXAMPLES [SEED [TASKS_FILE]]]]\n",
               stderr);
    return 2;
  }
  try {
    run({argv + 1, argv + argc});
  } catch (const sleb::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
  return 0;
}
