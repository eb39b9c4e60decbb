#include "apps/sleb/options/reference_options.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <string_view>

#include "sleb/base/error.h"

namespace sleb::app {
namespace {

using Words = std::vector<std::string>;

// sleb.py and eval.py.
constexpr const char* reference_texts = "wikitext2,c4";
constexpr const char* reference_tasks = "piqa,winogrande,hellaswag,arc_challenge,arc_easy";

enum class Takes {
  truth,          // True or False; nothing is True
  truth_or_more,  // of these alone it is the published code's; with another value it is this program's
  value,
};

struct ReferenceOption {
  std::string_view command;  // "": all three
  std::string_view name;
  Takes takes;
  Words if_true = {};
  Words if_false = {};
  std::string_view refusal = {};  // what sleb has instead; false asks for nothing and is not refused
};

const std::array<ReferenceOption, 11>& reference_options() {
  constexpr std::string_view no_mmlu = "sleb has no MMLU of its own; --tasks-file FILE takes a task's definition";
  constexpr std::string_view no_save = "a pruned checkpoint is written with sleb prune --out DIR, or sleb export";
  static const std::array<ReferenceOption, 11> options = {{
      {"prune", "--eval-ppl", Takes::truth_or_more, {"--eval-ppl", reference_texts}},
      {"prune", "--eval-zeroshot", Takes::truth, {"--eval-tasks", reference_tasks}},
      {"eval", "--eval-zeroshot", Takes::truth, {"--tasks", reference_tasks}},
      {"latency", "--generation", Takes::truth, {"--mode", "generation"}, {"--mode", "prompt"}},
      {"latency", "--prompt", Takes::truth, {"--mode", "prompt"}, {"--mode", "generation"}},
      {"", "--eval-mmlu", Takes::truth, {}, {}, no_mmlu},
      {"", "--eval-five-shot", Takes::truth, {}, {}, "give --num-fewshot 5 beside the tasks"},
      {"", "--save-model", Takes::truth, {}, {}, no_save},
      {"", "--save-path", Takes::value, {}, {}, no_save},
      {"", "--save-results", Takes::truth, {"--save-results", "True"}, {"--save-results", "False"}},
      {"", "--result-path", Takes::value, {}, {}, "give --result-folder DIR and --result-file NAME"},
  }};
  return options;
}

// What users mean. (python-fire takes True and False, and any other word, "false" too, for true.)
std::optional<bool> truth_of(std::string word) {
  std::ranges::transform(word, word.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (word == "true" || word == "yes" || word == "1") return true;
  if (word == "false" || word == "no" || word == "0") return false;
  return {};
}

struct Option {
  std::string name;
  std::optional<std::string> value;  // after "="
};

Option option_of(const std::string& word) {
  const size_t end = word.find('=');
  if (!word.starts_with("--") || end == word.npos) return {word, {}};
  return {word.substr(0, end), word.substr(end + 1)};
}

class Translation {
 public:
  explicit Translation(const Words& arguments) : rest_(arguments.begin() + 1, arguments.end()) {
    said_.push_back(arguments[0]);
  }

  Words all() {
    while (next_ < rest_.size()) say(option_of(rest_[next_++]));
    if (!model_.empty()) said_.insert(said_.begin() + 1, model_);
    const auto is_ppl = [](const std::string& word) { return option_of(word).name == "--ppl"; };
    if (wants_zeroshot_ && command() == "eval" && std::ranges::none_of(said_, is_ppl)) {
      add({"--ppl", reference_texts});  // eval.py computes them always
    }
    return said_;
  }

 private:
  const std::string& command() const { return said_[0]; }
  void add(const Words& words) { said_.insert(said_.end(), words.begin(), words.end()); }
  static bool is_option(const std::string& word) {
    return word.size() > 1 && word[0] == '-' && (word[1] < '0' || word[1] > '9');  // "-1" is a number
  }

  // The next word, if it is no option.
  std::optional<std::string> value() const {
    const bool there = next_ < rest_.size() && !is_option(rest_[next_]);
    return there ? std::optional(rest_[next_]) : std::nullopt;
  }

  void say(const Option& option) {
    const auto is_this = [&](const ReferenceOption& reference) {
      return reference.name == option.name && (reference.command.empty() || reference.command == command());
    };
    const auto reference = std::ranges::find_if(reference_options(), is_this);
    if (reference != reference_options().end()) return say(*reference, option);
    if (option.name == "--model-name") return say_model(option);
    if (option.name == "--device") return say_device(option);
    if (option.name == "--removal-list" && command() == "eval") return say_removal_list(option);
    said_.push_back(word_of(option));
  }

  void say(const ReferenceOption& reference, const Option& option) {
    const auto given = option.value ? option.value : value();
    if (reference.takes == Takes::value) bad_input("{}: {}", option.name, reference.refusal);
    const auto truth = given ? truth_of(*given) : std::optional(true);
    if (!truth && reference.takes == Takes::truth_or_more) return said_.push_back(word_of(option));
    if (!truth) bad_input("{} {}: expected True or False", option.name, *given);
    if (given && !option.value) ++next_;
    if (*truth && !reference.refusal.empty()) bad_input("{}: {}", option.name, reference.refusal);
    if (*truth && option.name == "--eval-zeroshot") wants_zeroshot_ = true;
    add(*truth ? reference.if_true : reference.if_false);
  }

  static std::string word_of(const Option& option) {
    return option.value ? option.name + "=" + *option.value : option.name;
  }

  std::string value_of(const Option& option) {
    if (option.value) return *option.value;
    const auto next = value();
    if (!next) bad_input("{}: its value is missing", option.name);
    ++next_;
    return *next;
  }

  void say_model(const Option& option) {
    if (!model_.empty()) bad_input("--model-name: stands twice");
    model_ = value_of(option);
  }

  // eval.py's is the number of a GPU.
  void say_device(const Option& option) {
    const std::string device = value_of(option);
    const bool number = !device.empty() && std::ranges::all_of(device, [](unsigned char c) { return std::isdigit(c); });
    add({"--device", number ? "cuda:" + device : device});
  }

  // eval.py's default: the dense model.
  void say_removal_list(const Option& option) {
    const std::string list = value_of(option);
    if (list != "[]") add({"--removal-list", list});
  }

  Words rest_;
  size_t next_ = 0;
  Words said_;
  std::string model_;
  bool wants_zeroshot_ = false;
};

}  // namespace

std::vector<std::string> in_own_options(const std::vector<std::string>& arguments) {
  constexpr std::array<std::string_view, 3> commands = {"prune", "eval", "latency"};
  if (arguments.empty() || std::ranges::find(commands, arguments[0]) == commands.end()) return arguments;
  return Translation(arguments).all();
}

}  // namespace sleb::app
