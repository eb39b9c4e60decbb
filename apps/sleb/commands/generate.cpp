// sleb generate: what a model says, dense, without given blocks, or both.

#include <fmt/core.h>

#include <cmath>
#include <cstdio>
#include <memory>

#include "apps/sleb/commands/commands.h"
#include "apps/sleb/options/arguments.h"
#include "apps/sleb/options/found_sets.h"
#include "apps/sleb/options/removal_lists.h"
#include "apps/sleb/options/results.h"
#include "apps/sleb/terminal/streams.h"
#include "apps/sleb/terminal/terminal_text.h"
#include "sleb/base/error.h"
#include "sleb/base/numbers.h"
#include "sleb/base/utf8.h"
#include "sleb/engine/plans/removal_list.h"
#include "sleb/engine/sequences/generator.h"

namespace sleb::app {
namespace {

struct GenerateArguments {
  std::string model;
  std::string prompt = "-";
  std::string system;
  std::string removal_list;
  FoundSets found_sets;
  bool chat = false;
  bool compare = false;
  bool ignore_eos = false;
  GenerateOptions options{.max_new_tokens = 128};
  ComputeOptions compute;
  std::string json;
  bool force = false;
};

// The dense model, or what is left of it.
struct Variant {
  std::string name;
  Plan plan;
};

struct Output {
  std::string name;
  std::string text;
  Generation generation;

  const std::vector<int64_t>& ids() const { return generation.ids[0]; }
  double tokens_per_second() const { return static_cast<double>(ids().size()) / generation.seconds; }
};

// Narrower columns are hard to read.
constexpr int narrowest_for_columns = 80;

void check(const GenerateArguments& arguments) {
  const double temperature = arguments.options.temperature;
  if (!(temperature >= 0) || std::isinf(temperature)) {
    bad_input("--temperature {}: expected a number from 0", temperature);
  }
  if (!arguments.system.empty() && !arguments.chat) bad_input("--system: only a chat has one; give --chat too");
  if (arguments.compare && arguments.removal_list.empty() && arguments.found_sets.result.empty()) {
    bad_input("--compare: give the blocks to leave out with --removal-list or --from");
  }
}

std::string read_standard_input() {
  constexpr size_t longest = size_t{64} << 20;
  std::string text;
  char buffer[1 << 16];
  while (const size_t size = std::fread(buffer, 1, sizeof buffer, stdin)) {
    text.append(buffer, size);
    if (text.size() > longest) bad_input("the prompt on standard input is longer than {}", format_bytes(longest));
  }
  if (const size_t valid = valid_utf8_prefix(text); valid < text.size()) {
    bad_input("the prompt on standard input: byte {} is not UTF-8", valid);
  }
  return text;
}

std::vector<int64_t> prompt_ids(const GenerateArguments& arguments, const std::string& text,
                                const Checkpoint& checkpoint, const Tokenizer& tokenizer) {
  std::vector<int64_t> ids;
  if (arguments.chat) {
    const auto chat = checkpoint.chat_template();
    if (!chat) bad_input("{}: has no chat template; leave out --chat", arguments.model);
    std::vector<ChatMessage> messages;
    if (!arguments.system.empty()) messages.push_back({"system", arguments.system});
    messages.push_back({"user", text});
    ids = tokenizer.encode(chat->prompt(messages), false);  // the template has the special tokens itself
  } else {
    ids = tokenizer.encode(text);
  }
  if (ids.empty()) bad_input("the prompt is empty, and the tokenizer puts no token before it");
  return ids;
}

// No more tokens than the model has positions for.
int64_t room_for_new_tokens(const GenerateArguments& arguments, const ModelSpec& spec, size_t prompt,
                            Progress& progress) {
  const auto length = static_cast<int64_t>(prompt);
  const int64_t room = spec.max_positions - length;
  if (room < 1) {
    bad_input("the prompt has {} tokens, but the model's context only {}: nothing can follow", length,
              spec.max_positions);
  }
  if (arguments.options.max_new_tokens > room) {
    progress.note(fmt::format("at most {} new tokens: the model's context has {}, of which the prompt takes {}", room,
                              spec.max_positions, length));
  }
  return std::min(arguments.options.max_new_tokens, room);
}

std::vector<Variant> variants(const GenerateArguments& arguments, const ModelSpec& spec) {
  const RemovalList removed = parse_removal_list(arguments.removal_list, spec);
  const Variant dense = {"dense", Plan()};
  if (removed.empty()) return {dense};
  const Variant pruned = {fmt::format("without blocks {}", text_of(removed)), plan_without(removed)};
  return arguments.compare ? std::vector{dense, pruned} : std::vector{pruned};
}

void show(std::string_view text, bool to_terminal) {
  write_output(to_terminal ? terminal_text(text) : std::string(text));
}

// `streams`: whether the text is printed as it comes.
Output run_variant(Generator& generator, const Variant& variant, const std::vector<int64_t>& prompt,
                   const GenerateOptions& options, const Tokenizer& tokenizer, bool streams) {
  const bool to_terminal = terminal_width() > 0;
  Output output{.name = variant.name, .text = {}, .generation = {}};
  TextStream stream = tokenizer.stream(true);
  const auto take = [&](const std::string& text) {
    output.text += text;
    if (streams && !text.empty()) show(text, to_terminal);
  };
  output.generation = generator.generate(variant.plan, std::span(&prompt, 1), options, [&](int64_t, int64_t id) {
    take(stream.add(id));
    return true;
  });
  take(stream.finish());
  if (streams && !output.text.ends_with('\n')) show("\n", to_terminal);
  return output;
}

std::string speed_line(const Output& output) {
  return fmt::format("{}: {} tokens in {}, {:.1f} tokens/s; the first after {}", output.name, output.ids().size(),
                     format_seconds(output.generation.seconds), output.tokens_per_second(),
                     format_seconds(output.generation.first_token_seconds));
}

OrderedJson to_json(const GenerateArguments& arguments, const std::vector<int64_t>& prompt,
                    const std::vector<Output>& outputs, const ModelSpec& spec) {
  OrderedJson json = {{"model", arguments.model},
                      {"num_blocks", spec.num_blocks},
                      {"removal_list", parse_removal_list(arguments.removal_list, spec)},
                      {"temperature", arguments.options.temperature},
                      {"seed", arguments.options.seed},
                      {"packed", arguments.compute.packed_weights},
                      {"prompt_ids", prompt},
                      {"outputs", OrderedJson::array()}};
  for (const Output& output : outputs) {
    json["outputs"].push_back({{"model", output.name},
                               {"ids", output.ids()},
                               {"text", output.text},
                               {"seconds", output.generation.seconds},
                               {"first_token_seconds", output.generation.first_token_seconds},
                               {"tokens_per_second", output.tokens_per_second()}});
  }
  return json;
}

void run(GenerateArguments arguments, Session& session) {
  check(arguments);
  OutputGuard guard(session);
  guard.reads(place_of_model(arguments.model));
  guard.reads_result(arguments.found_sets.result);
  if (arguments.prompt == "-") guard.reads("/dev/stdin");  // a file, where the shell opened one
  guard.writes_file("--json", arguments.json, arguments.force);
  check_compute(arguments.compute);
  read_found_sets(arguments.found_sets, arguments.removal_list);
  const std::string prompt_text = arguments.prompt == "-" ? read_standard_input() : arguments.prompt;
  const ModelSource source = find_model(arguments.model, ModelParts::all, session.progress);
  const Checkpoint checkpoint = open_model(source, session.progress);
  const ModelSpec& spec = checkpoint.spec();
  check_found_sets(arguments.found_sets, arguments.model, source, checkpoint, session.progress);
  const std::vector<Variant> wanted = variants(arguments, spec);
  const Tokenizer tokenizer = checkpoint.tokenizer();
  tokenizer.stream(true);  // a decoder that is not known is refused before the model is loaded
  const std::vector<int64_t> prompt = prompt_ids(arguments, prompt_text, checkpoint, tokenizer);
  GenerateOptions options = arguments.options;
  options.max_new_tokens = room_for_new_tokens(arguments, checkpoint.spec(), prompt.size(), session.progress);
  if (!arguments.ignore_eos) options.stop_ids = checkpoint.stop_ids();

  const Model model(checkpoint, arguments.compute, session.progress);
  Generator generator(model, 1, static_cast<int64_t>(prompt.size()), options.max_new_tokens);
  const bool json_only = arguments.json == "-";
  const bool in_columns = wanted.size() == 2 && terminal_width() >= narrowest_for_columns;
  std::vector<Output> outputs;
  for (const Variant& variant : wanted) {
    const bool streams = !json_only && !in_columns;
    if (streams && wanted.size() == 2) show(fmt::format("--- {}\n", variant.name), false);
    if (in_columns) session.progress.note(fmt::format("generating: {}", variant.name));
    outputs.push_back(run_variant(generator, variant, prompt, options, tokenizer, streams));
  }
  if (in_columns && !json_only) {
    const auto text = [&](size_t i) { return terminal_text(outputs[i].text); };
    write_output(side_by_side(outputs[0].name, text(0), outputs[1].name, text(1), terminal_width()));
  }
  for (const Output& output : outputs) session.progress.note(speed_line(output));
  write_json(arguments.json, to_json(arguments, prompt, outputs, spec));
}

}  // namespace

void add_generate(CLI::App& app, Session& session) {
  auto* command = app.add_subcommand("generate", "Print what a model says, dense, pruned, or both");
  auto arguments = std::make_shared<GenerateArguments>();
  add_model(*command, arguments->model);
  command->add_option("--prompt", arguments->prompt, "What to go on from (default: standard input)")->type_name("TEXT");
  command->add_flag("--chat", arguments->chat, "The prompt is a user's message: apply the model's chat template");
  command->add_option("--system", arguments->system, "The chat's system message")->type_name("TEXT");
  add_removal_list(*command, arguments->removal_list);
  add_found_sets(*command, arguments->found_sets, SetsTaken::one);
  command->add_flag("--compare", arguments->compare, "The dense model too, beside the pruned one");
  command->add_option("--max-new-tokens", arguments->options.max_new_tokens, "At most so many tokens")
      ->capture_default_str()
      ->check(at_least(1))
      ->type_name("N");
  command->add_option("--temperature", arguments->options.temperature, "0: the likeliest token; above: drawn at random")
      ->capture_default_str()
      ->type_name("T");
  command->add_option("--seed", arguments->options.seed, "Of the draws")
      ->capture_default_str()
      ->check(at_least(0))
      ->type_name("S");
  command->add_flag("--ignore-eos", arguments->ignore_eos, "Go on where the model would end");
  add_compute(*command, arguments->compute);
  add_packed(*command, arguments->compute);
  add_json(*command, arguments->json, "Write texts, ids and times");
  add_force(*command, arguments->force);
  command->footer(
      "Examples:\n"
      "  sleb generate HuggingFaceTB/SmolLM2-135M --prompt \"The capital of France is\"\n"
      "  sleb generate HuggingFaceTB/SmolLM2-135M-Instruct --chat \\\n"
      "      --prompt \"Write a haiku.\" --removal-list 12,26,13 --compare\n"
      "  sleb generate model.gguf --temperature 0.7 --seed 1 < prompt.txt");
  command->callback([arguments, &session] {
    check_alone(session, "generate");
    run(*arguments, session);
  });
}

}  // namespace sleb::app
