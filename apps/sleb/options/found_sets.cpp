#include "apps/sleb/options/found_sets.h"

#include <fmt/core.h>

#include <charconv>
#include <cmath>
#include <optional>

#include "sleb/base/error.h"

namespace sleb::app {
namespace {

constexpr const char* every_size = "all";

// Of halves of blocks half a block may be left.
std::optional<double> size_from(std::string_view text) {
  double size = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size, std::chars_format::fixed);
  const bool is_size = error == std::errc() && end == text.data() + text.size() && size > 0 && size < 1e6 &&
                       std::floor(2 * size) == 2 * size;
  return is_size ? std::optional(size) : std::nullopt;
}

std::vector<double> sizes_from(std::string_view text) {
  std::vector<double> sizes;
  while (true) {
    const size_t comma = text.find(',');
    const auto size = size_from(text.substr(0, comma));
    if (!size) return {};
    sizes.push_back(*size);
    if (comma == text.npos) return sizes;
    text.remove_prefix(comma + 1);
  }
}

std::string problem_of(const std::string& text, SetsTaken taken) {
  const bool several = taken == SetsTaken::several;
  if (several && text == every_size) return "";
  const std::vector<double> sizes = sizes_from(text);
  if (sizes.size() == 1 || (several && !sizes.empty())) return "";
  return fmt::format("{}: expected a number of blocks{}", text, several ? ", several as 26,24, or all" : "");
}

// By the hash of all its bytes, where a search recorded that; else by the commit on the hub, where both have one.
bool is_of_another_model(const ResultSets& found, const std::string& model, const ModelSource& source,
                         const Checkpoint& checkpoint, Progress& progress) {
  const bool have_commits = !found.commit().empty() && !source.commit.empty();
  if (have_commits && found.commit() == source.commit && found.model() == model) return false;
  if (!found.fingerprint().empty()) return found.fingerprint() != checkpoint.fingerprint(progress);
  return have_commits && found.commit() != source.commit;
}

}  // namespace

void add_blocks(CLI::App& command, std::string& blocks, SetsTaken taken) {
  const auto check = [taken](const std::string& text) { return problem_of(text, taken); };
  command
      .add_option("--blocks", blocks,
                  std::string("Of RESULT the set that leaves N blocks (default: its removal list)") +
                      (taken == SetsTaken::several ? "; several as 26,24, or all" : ""))
      ->check(CLI::Validator(check, "", ""))
      ->type_name("N");
}

void add_found_sets(CLI::App& command, FoundSets& sets, SetsTaken taken) {
  auto* from = command
                   .add_option("--from", sets.result,
                               "In place of --removal-list: what sleb prune found, a folder with a sleb.json, or that "
                               "file (--json)")
                   ->excludes(command.get_option("--removal-list"))
                   ->check([](const std::string& text) { return text.empty() ? "expected a folder or a file" : ""; })
                   ->type_name("RESULT");
  add_blocks(command, sets.blocks, taken);
  command.get_option("--blocks")->needs(from);
}

void check_blocks_given(const CLI::App& command) {
  if (command.count("--removal-list") + command.count("--from") > 0) return;
  bad_input("{}: give the blocks to leave out with --removal-list, or a result of sleb prune with --from",
            command.get_name());
}

std::vector<RemovalList> sets_of(const ResultSets& result, const std::string& blocks) {
  if (blocks.empty()) return {result.removal_list()};
  std::vector<RemovalList> sets;
  for (const double size : blocks == every_size ? result.sizes() : sizes_from(blocks)) {
    sets.push_back(result.set_leaving(size));
  }
  return sets;
}

void read_found_sets(FoundSets& sets, std::vector<std::string>& removal_lists) {
  if (sets.result.empty()) return;
  const ResultSets result = read_result_sets(sets.result);
  for (const RemovalList& list : sets_of(result, sets.blocks)) removal_lists.push_back(text_of(list));
  sets.found = result;
}

void read_found_sets(FoundSets& sets, std::string& removal_list) {
  std::vector<std::string> lists;
  read_found_sets(sets, lists);
  if (!lists.empty()) removal_list = lists[0];
}

void check_found_sets(const FoundSets& sets, const std::string& model, const ModelSource& source,
                      const Checkpoint& checkpoint, Progress& progress) {
  if (!sets.found) return;
  const int64_t num_blocks = checkpoint.spec().num_blocks;
  if (sets.found->num_blocks() != num_blocks) {
    bad_input("--from {}: is of a model of {} blocks, and {} has {}", sets.result, sets.found->num_blocks(), model,
              num_blocks);
  }
  if (is_of_another_model(*sets.found, model, source, checkpoint, progress)) {
    progress.note(
        fmt::format("warning: {} is of {}, whose files are others than those of {}: what it says of blocks was found "
                    "on that model",
                    sets.result, sets.found->model(), model));
  }
  if (sets.found->is_repaired() && !sets.repairs) {
    progress.note(
        fmt::format("warning: {} is of a repaired model; its blocks are left out here, and no matrix is fitted (sleb "
                    "repair does that)",
                    sets.result));
  }
}

}  // namespace sleb::app
