#include "sleb/engine/processes/process_status.h"

#include "sleb/base/json.h"

namespace sleb {

std::string status_key(const ProcessGroup::Options& options, int64_t rank) {
  return fmt::format("{}/status/{}", options.prefix, rank);
}

std::string to_text(const ProcessStatus& status) {
  OrderedJson json = {{"beat", status.beat}, {"state", static_cast<int>(status.state)}, {"listens", status.listens}};
  if (status.ending) {
    json["rank"] = status.ending->rank;
    json["kind"] = static_cast<int>(status.ending->kind);
    json["message"] = printable(status.ending->message);
    json["told"] = status.ending->told;
  }
  return json.dump();
}

ProcessStatus parse_process_status(const std::string& text, int64_t rank) {
  const std::string label = fmt::format("what rank {} says of itself", rank);
  const Json document = parse_json(text, label);
  const JsonView json(document, label);
  ProcessStatus status{json.at("beat").integer(0),
                       static_cast<ProcessState>(json.at("state").integer(0, 3)),
                       {},
                       json.at("listens").boolean()};
  if (status.state == ProcessState::ended) {
    status.ending = {json.at("rank").integer(-1, INT32_MAX), static_cast<EndKind>(json.at("kind").integer(0, 2)),
                     json.at("message").string(), json.at("told").boolean()};
  }
  return status;
}

ProcessStatus read_status(KeyValueStore& store, const ProcessGroup::Options& options, int64_t rank) {
  return parse_process_status(store.get({status_key(options, rank)}).at(0), rank);
}

}  // namespace sleb
