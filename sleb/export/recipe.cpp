#include "sleb/export/recipe.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sleb/base/error.h"
#include "sleb/engine/plans/removal_list.h"

namespace sleb {
namespace {

constexpr std::string_view end_of_first_line = ", by sleb.";

// "org/name:Q4_K_M" stands for a file of a repository.
bool names_gguf(const std::string& model) {
  const size_t slash = model.find('/');
  const bool may_be_a_name = slash != model.npos && slash != 0 && model[0] != '.';
  return model.ends_with(".gguf") || (may_be_a_name && model.find(':', slash) != model.npos);
}

// A path or a name as YAML and as a shell takes it, whatever is in it.
std::string yaml_string(const std::string& text) {
  return Json(text).dump();
}
std::string shell_word(const std::string& text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

std::string llama_quantize(const Recipe& recipe) {
  // A line break would end the comment that this is in.
  const bool is_file = recipe.model.ends_with(".gguf") && recipe.model.find_first_of("\r\n") == std::string::npos;
  const std::string model = is_file ? shell_word(recipe.model) : "MODEL.gguf";
  return fmt::format("llama-quantize --prune-layers {} {} PRUNED.gguf COPY", fmt::join(recipe.removed, ","), model);
}

}  // namespace

Recipe recipe_of(const ResultSets& result, const RemovalList& removal_list, const std::string& model) {
  if (result.is_repaired()) {
    bad_input("{}: matrices were fitted too (--repair), which no recipe says; prune without --repair for one",
              result.place());
  }
  Recipe recipe{.model = model.empty() ? result.model() : model,
                .is_gguf = false,
                .num_blocks = result.num_blocks(),
                .removed = whole_blocks(removal_list, result.place() + ": removal_list")};
  recipe.is_gguf = names_gguf(recipe.model);
  std::ranges::sort(recipe.removed);
  if (recipe.removed.empty()) bad_input("{}: removal_list: no block is left out", result.place());
  // The commit that was read, so that it stays the same model.
  if (!result.commit().empty() && model.empty() && !recipe.is_gguf) {
    recipe.model = recipe.model.substr(0, recipe.model.find('@')) + "@" + result.commit();
  }
  return recipe;
}

bool is_recipe(std::string_view text) {
  return text.starts_with("# ") && text.substr(0, text.find('\n')).ends_with(end_of_first_line);
}

std::vector<std::pair<int64_t, int64_t>> kept_runs(const Recipe& recipe) {
  std::vector<std::pair<int64_t, int64_t>> runs;
  int64_t first = 0;
  std::vector<int64_t> ends = recipe.removed;
  ends.push_back(recipe.num_blocks);
  for (const int64_t end : ends) {
    if (end > first) runs.emplace_back(first, end);
    first = end + 1;
  }
  return runs;
}

std::string text_of(const Recipe& recipe) {
  const std::string what = fmt::format("# {} without blocks {} of {}{}\n", yaml_string(recipe.model),
                                       fmt::join(recipe.removed, ","), recipe.num_blocks, end_of_first_line);
  if (recipe.is_gguf) return fmt::format("{}#   {}\n", what, llama_quantize(recipe));
  std::string text = fmt::format(
      "{}#   mergekit-yaml THIS_FILE OUT_DIR\n# or, from a GGUF of the whole model:\n#   {}\n"
      "merge_method: passthrough\nslices:\n",
      what, llama_quantize(recipe));
  for (const auto& [first, end] : kept_runs(recipe)) {
    text += fmt::format("  - sources:\n      - model: {}\n        layer_range: [{}, {}]\n", yaml_string(recipe.model),
                        first, end);
  }
  return text;
}

}  // namespace sleb
