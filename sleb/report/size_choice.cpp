#include "sleb/report/size_choice.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <cmath>

#include "sleb/base/json.h"
#include "sleb/report/dataset_report.h"

namespace sleb {
namespace {

double blocks_left(const SetFigures& set, int64_t num_blocks) {
  return static_cast<double>(num_blocks) - blocks_in(set.removal_list);
}

Cell cell_of(const char* format, const std::optional<double>& value) {
  if (!value) return {"-"};
  return {fmt::format(fmt::runtime(format), *value), *value};
}

OrderedJson to_json(const SetFigures& set, int64_t num_blocks) {
  OrderedJson json = {{"blocks", blocks_left(set, num_blocks)}, {"removal_list", set.removal_list}};
  if (set.held_out) {
    json.update({{"perplexity", set.held_out->perplexity},
                 {"perplexity_ratio", set.held_out->ratio.value},
                 {"perplexity_ratio_stderr", or_null(set.held_out->ratio.error)},
                 {"kl", set.held_out->kl.value},
                 {"kl_stderr", or_null(set.held_out->kl.error)}});
  }
  if (set.speed) {
    json.update({{"dense_tokens_per_second", set.speed->dense},
                 {"pruned_tokens_per_second", set.speed->pruned},
                 {"speed_up", set.speed->ratio()}});
  }
  return json;
}

}  // namespace

HeldOutFigures held_out_figures(const PerplexityRow& row) {
  const double ratio = std::exp(row.difference.value);
  Estimate estimate{ratio, {}};
  if (row.difference.error) estimate.error = ratio * *row.difference.error;
  return {row.perplexity.value, estimate, row.divergence};
}

bool is_within(const SetFigures& set, const SizeConditions& conditions) {
  if (!set.held_out) return true;
  return set.held_out->ratio.value <= conditions.perplexity.value_or(HUGE_VAL) &&
         set.held_out->kl.value <= conditions.kl.value_or(HUGE_VAL);
}

bool is_fast_enough(const SetFigures& set, const SizeConditions& conditions) {
  return !conditions.speed_up || (set.speed && set.speed->ratio() >= *conditions.speed_up);
}

OrderedJson to_json(const SizeChoice& choice, int64_t num_blocks) {
  OrderedJson json = {{"until_perplexity", or_null(choice.conditions.perplexity)},
                      {"until_kl", or_null(choice.conditions.kl)},
                      {"speed_up", or_null(choice.conditions.speed_up)}};
  if (choice.held_out) {
    json["text"] = text_json(*choice.held_out);
    json["dense_perplexity"] = choice.dense_perplexity;
  }
  json["sets"] = OrderedJson::array();
  for (size_t i = 0; i < choice.sets.size(); ++i) {
    json["sets"].push_back(to_json(choice.sets[i], num_blocks));
    json["sets"].back()["chosen"] = i == choice.chosen;
  }
  return json;
}

Table sizes_table(const SizeChoice& choice, int64_t num_blocks) {
  Table table({"blocks", "removed last", "held-out perplexity", "ratio", "ratio stderr", "KL", "speed-up", ""});
  for (size_t i = 0; i < choice.sets.size(); ++i) {
    const SetFigures& set = choice.sets[i];
    const double blocks = blocks_left(set, num_blocks);
    const auto held_out = [&](const auto& figure) -> std::optional<double> {
      return set.held_out ? figure(*set.held_out) : std::optional<double>();
    };
    using Figures = HeldOutFigures;
    table.add({{fmt::format("{:g}", blocks), blocks},
               {text_of(set.removal_list.back())},
               cell_of("{:.2f}", held_out([](const Figures& text) { return std::optional(text.perplexity); })),
               cell_of("{:.3f}", held_out([](const Figures& text) { return std::optional(text.ratio.value); })),
               cell_of("{:.3f}", held_out([](const Figures& text) { return text.ratio.error; })),
               cell_of("{:.4f}", held_out([](const Figures& text) { return std::optional(text.kl.value); })),
               cell_of("{:.2f}", set.speed ? std::optional(set.speed->ratio()) : std::nullopt),
               {i == choice.chosen ? "chosen" : ""}});
  }
  return table;
}

std::string in_words(const SetFigures& set, const SizeChoice& choice) {
  std::vector<std::string> words;
  if (set.held_out) {
    const HeldOutFigures& text = *set.held_out;
    const std::string error = text.ratio.error ? fmt::format(" (se {:.3f})", *text.ratio.error) : "";
    words.push_back(fmt::format("{:.3f} times the dense model's perplexity{} on {}, KL {:.4f}", text.ratio.value, error,
                                choice.held_out ? choice.held_out->name : "the held-out text", text.kl.value));
  }
  if (set.speed) words.push_back(fmt::format("{:.2f} times as fast", set.speed->ratio()));
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace sleb
