#include "sleb/report/repair_report.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sleb/base/numbers.h"
#include "sleb/export/pruned_checkpoint.h"
#include "sleb/report/dataset_report.h"

namespace sleb {
namespace {

OrderedJson to_json(const StateError& error) {
  return {{"before", error.before}, {"after", error.after}};
}

std::string name_of(Unit unit) {
  return unit.half == Half::attention ? "attention" : "mlp";
}

Cell share(double value) {
  return {fmt::format("{:.2f}%", 100 * value), value};
}

OrderedJson ridge_json(const std::optional<double>& ridge) {
  return ridge ? OrderedJson(*ridge) : OrderedJson();
}

OrderedJson to_json(const RepairedExperts& experts) {
  OrderedJson ridges = OrderedJson::array();
  for (const auto& ridge : experts.ridges) ridges.push_back(ridge_json(ridge));
  OrderedJson json = {{"ridges", ridges}};
  if (experts.shared_ridge) json["shared_ridge"] = ridge_json(*experts.shared_ridge);
  json["least_tokens"] = experts.least_tokens;
  json["left"] = experts.left;
  return json;
}

Cell ridge_cell(const RepairedMatrix& matrix) {
  if (matrix.experts) {
    return fmt::format("{} of {} experts", matrix.experts->changed(), matrix.experts->count());
  }
  return matrix.ridge ? Cell(fmt::format("{}", *matrix.ridge), *matrix.ridge) : Cell("-", OrderedJson());
}

std::string text_in_words(const Corpus& text) {
  return fmt::format("{} ({} segments of {} tokens)", calibration_in_words(text), text.segments, text.seqlen);
}

}  // namespace

OrderedJson to_json(const RepairSummary& repair) {
  OrderedJson texts = OrderedJson::array();
  for (const Corpus& text : repair.texts) texts.push_back(text_json(text));
  OrderedJson matrices = OrderedJson::array();
  for (const RepairedMatrix& matrix : repair.matrices) {
    matrices.push_back({{"block", matrix.unit.block},
                        {"half", name_of(matrix.unit)},
                        {"ridge", ridge_json(matrix.ridge)},
                        {"fitted", to_json(matrix.fitted)},
                        {"held_out", to_json(matrix.held_out)}});
    if (matrix.experts) matrices.back()["experts"] = to_json(*matrix.experts);
  }
  return {{"texts", texts},
          {"seed", repair.seed},
          {"fitted_segments", repair.fitted_segments},
          {"held_out_segments", repair.held_out_segments},
          {"matrices", matrices},
          {"changed_tensors", repair.changed_tensors},
          {"seconds", repair.seconds}};
}

OrderedJson to_json(const RepairReport& report) {
  OrderedJson json = {{"model", report.model}};
  add_origin(json, report.origin);
  json.update({{"num_blocks", report.num_blocks},
               {"removal_list", report.removal_list},
               {"dtype", report.compute.dtype},
               {"device", report.compute.device},
               {"repair", to_json(report.repair)}});
  return json;
}

Table repair_table(const RepairSummary& repair) {
  Table table({"block", "half", "ridge", "before", "after", "held before", "held after"});
  for (const RepairedMatrix& matrix : repair.matrices) {
    table.add({{std::to_string(matrix.unit.block), matrix.unit.block},
               name_of(matrix.unit),
               ridge_cell(matrix),
               share(matrix.fitted.before),
               share(matrix.fitted.after),
               share(matrix.held_out.before),
               share(matrix.held_out.after)});
  }
  return table;
}

std::string in_words(const RepairSummary& repair) {
  const auto changed = std::ranges::count_if(repair.matrices, &RepairedMatrix::is_changed);
  return fmt::format("{} of {} fits helped on the {} segments held out; {} segments were fitted, in {}", changed,
                     repair.matrices.size(), repair.held_out_segments, repair.fitted_segments,
                     format_seconds(repair.seconds));
}

std::vector<std::string> experts_left(const RepairSummary& repair) {
  std::vector<std::string> lines;
  for (const RepairedMatrix& matrix : repair.matrices) {
    if (!matrix.experts || matrix.experts->left.empty()) continue;
    const RepairedExperts& experts = *matrix.experts;
    lines.push_back(fmt::format("block {}: {} of {} experts left, fewer than {} tokens reach them: {}",
                                matrix.unit.block, experts.left.size(), experts.ridges.size(), experts.least_tokens,
                                fmt::join(experts.left, ", ")));
  }
  return lines;
}

std::string what_was_repaired(const RepairSummary& repair) {
  std::vector<std::string> texts;
  for (const Corpus& text : repair.texts) texts.push_back(text_in_words(text));
  return fmt::format(
      "The matrices by which the blocks behind the first removed one write to the hidden state were fitted anew by\n"
      "least squares, towards the unpruned model's hidden states on {};\nall other weights are the original's.\n",
      fmt::join(texts, ", "));
}

std::string repair_errors(const RepairSummary& repair) {
  std::string text = repair_table(repair).text(TableFormat::markdown) +
                     "\nErrors are those of the hidden state behind a half of a block, as a share of its norm: on the "
                     "text that was\n"
                     "fitted, and on segments held out.\n";
  const std::vector<std::string> left = experts_left(repair);
  if (!left.empty()) text += "\n- " + fmt::format("{}", fmt::join(left, "\n- ")) + "\n";
  return text;
}

std::string model_card(const RepairReport& report) {
  return card_front_matter(report.origin) +
         fmt::format(
             "Without blocks {} of {} (numbered as in the original model).\n{}\n{}{}\nMade by\n\n```\n{}\n```\n",
             format_list(report.removal_list), report.num_blocks, what_was_repaired(report.repair),
             card_origin(report.origin) + card_picture("Which blocks are gone"), repair_errors(report.repair),
             report.command);
}

}  // namespace sleb
