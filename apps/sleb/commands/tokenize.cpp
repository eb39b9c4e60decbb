// sleb tokenize: a file's token ids.

#include <fmt/core.h>
#include <fmt/ranges.h>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/terminal/streams.h"
#include "sleb/base/file.h"
#include "sleb/checkpoint/checkpoint.h"

namespace sleb::app {
namespace {

struct TokenizeArguments {
  std::string model;
  std::string file;
  bool no_special_tokens = false;
  bool json = false;
};

void run(const TokenizeArguments& arguments, Session& session) {
  const MappedFile text(arguments.file);
  const ModelSource source = find_model(arguments.model, ModelParts::tokenizer, session.progress);
  const Tokenizer tokenizer = load_tokenizer(source.path, session.progress);
  const auto ids = tokenizer.encode(text.text(), !arguments.no_special_tokens);
  if (arguments.json) {
    print("{}\n", OrderedJson{{"ids", ids}}.dump());
  } else {
    write_output(fmt::format("{}\n", fmt::join(ids, " ")));
  }
}

}  // namespace

void add_tokenize(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("tokenize", "Print a text file's token ids");
  auto arguments = std::make_shared<TokenizeArguments>();
  add_model(*command, arguments->model);
  command->add_option("file", arguments->file, "Text file")->required()->type_name("FILE");
  command->add_flag("--no-special-tokens", arguments->no_special_tokens,
                    "Leave out what the model expects around a text");
  command->add_flag("--json", arguments->json, "Print {\"ids\": [...]}");
  command->footer("Example:\n  sleb tokenize HuggingFaceTB/SmolLM2-135M notes.txt --json");
  command->callback([arguments, &session] {
    check_alone(session, "tokenize");
    run(*arguments, session);
  });
}

}  // namespace sleb::app
