#include "apps/sleb/options/removal_lists.h"

#include <set>

#include "sleb/base/error.h"

namespace sleb::app {
namespace {

constexpr const char* blocks_or_halves = "Blocks to leave out, as 5,4,9, or halves of them, as 5.attention,4.mlp";

void check_not_empty(const RemovalList& list, const std::string& text) {
  if (list.empty()) bad_input("--removal-list \"{}\": no block; the dense model is always the first row", text);
}

}  // namespace

CLI::Option* add_repeatable(CLI::App& command, const std::string& name, const std::string& description,
                            const std::function<void(const std::string&)>& take) {
  return command.add_option_function<std::string>(name, take, description)->trigger_on_parse();
}

CLI::Option* add_removal_list(CLI::App& command, std::string& text, const std::string& more) {
  return command.add_option("--removal-list", text, std::string(blocks_or_halves) + more)
      ->each([](const std::string& list) { parse_removal_list(list); })
      ->type_name("LIST");
}

void add_removal_lists(CLI::App& command, std::vector<std::string>& texts, const std::string& again) {
  add_repeatable(command, "--removal-list", std::string(blocks_or_halves) + "; given again, " + again,
                 [&texts](const std::string& list) {
                   check_not_empty(parse_removal_list(list), list);
                   texts.push_back(list);
                 })
      ->type_name("LIST");
}

std::vector<RemovalList> parse_removal_lists(const std::vector<std::string>& texts, const ModelSpec& spec) {
  std::vector<RemovalList> lists;
  std::set<Plan> seen;
  for (const std::string& text : texts) {
    const RemovalList list = parse_removal_list(text, spec);
    check_not_empty(list, text);
    if (!seen.insert(plan_without(list)).second) {
      bad_input("--removal-list \"{}\": another list removes the same blocks", text);
    }
    lists.push_back(list);
  }
  return lists;
}

}  // namespace sleb::app
