#include "apps/sleb/commands/prune/kept_rounds.h"

#include <charconv>

#include "sleb/base/error.h"
#include "sleb/base/file.h"
#include "sleb/engine/plans/devices.h"
#include "sleb/export/output_folder.h"

namespace sleb::app {
namespace fs = std::filesystem;
namespace {

// Greedy's rounds, and the races that come after them.
size_t finished_rounds(const SearchState& state) {
  return state.finished.steps.size() + state.races.size();
}

std::string work_done(size_t rounds) {
  if (rounds == 0) return "a part of the first round";
  return fmt::format("{} finished round{}", rounds, rounds == 1 ? "" : "s");
}

// Whatever the options: the file is replaced, and removed at the end.
void check_kept_by_sleb(const fs::path& file) {
  std::error_code ignored;
  const fs::file_status status = fs::symlink_status(file, ignored);
  if (!fs::exists(status)) return;
  if (fs::is_regular_file(status) && is_saved_search(file)) return;
  bad_input("{}: finished rounds would be kept there, but something else is; move it away", file.string());
}

}  // namespace

fs::path KeptRounds::place(const OutputPlaces& places) {
  if (!places.out.empty()) {
    const fs::path folder = fs::absolute(places.out).lexically_normal();
    return (folder.has_filename() ? folder : folder.parent_path()).string() + ".sleb-state.json";
  }
  std::error_code ignored;
  const bool is_file = !places.json.empty() && places.json != "-" &&
                       (!fs::exists(places.json, ignored) || fs::is_regular_file(places.json, ignored));
  return is_file ? places.json + ".sleb-state.json" : "";  // beside a device or a pipe nobody would look for it
}

KeptRounds::KeptRounds(const OutputPlaces& places) : places_(places), file_(place(places)) {
  if (!possible()) {
    if (places.resume) bad_input("--resume: give --out or --json FILE, beside which finished rounds are kept");
    return;
  }
  check_kept_by_sleb(file_);
  std::error_code ignored;
  if (places.resume) {
    earlier_ = load_search(file_);
  } else if (fs::exists(file_, ignored) && !places.force) {
    bad_input("{}: an earlier run kept its finished rounds there; give --resume to go on, --force to begin anew",
              file_.string());
  }
}

fs::path KeptRounds::result_file() const {
  return places_.out.empty() ? fs::path(places_.json) : record_of(places_.out);
}

bool KeptRounds::is_result(const fs::path& file) {
  try {
    const Json result = parse_json(read_file(file), file.string());
    return result.is_object() && result.contains("fingerprint") && result.contains("removal_list");
  } catch (const Error&) {  // not there, or not JSON
    return false;
  }
}

bool KeptRounds::may_be_finished() const {
  std::error_code ignored;
  return places_.resume && fs::is_regular_file(result_file(), ignored);
}

void KeptRounds::adopt(ComputeOptions& options) const {
  if (!earlier_) return;
  const Fingerprint& then = earlier_->fingerprint;
  if (options.dtype == "auto") options.dtype = then.value("--dtype");
  if (options.device == "auto") options.device = device_to_resume(then.value("--device"));
  const std::string threads = then.value("--threads");
  if (options.threads == 0) std::from_chars(threads.data(), threads.data() + threads.size(), options.threads);
}

std::optional<int64_t> KeptRounds::segments_at_a_time() const {
  if (!earlier_) return {};
  const std::string value = earlier_->fingerprint.value(app::segments_at_a_time);
  int64_t segments = 0;
  std::from_chars(value.data(), value.data() + value.size(), segments);
  return segments > 0 ? std::optional(segments) : std::nullopt;
}

std::optional<OrderedJson> KeptRounds::finished_result(const Fingerprint& now) const {
  if (!may_be_finished()) return {};
  OrderedJson result = parse_ordered_json(read_file(result_file()), result_file().string());
  const bool same = result.is_object() && result.contains("fingerprint") && result["fingerprint"] == now.json();
  return same ? std::optional(std::move(result)) : std::nullopt;
}

// The result of another search is not what --resume may replace.
void KeptRounds::check_no_other_result(const Fingerprint& now) const {
  if (!is_result(result_file())) return;
  const std::string file = result_file().string();
  const Json result = parse_json(read_file(file), file);
  const std::string difference = Fingerprint::from_json(JsonView(result, file).at("fingerprint")).difference_to(now);
  bad_input("--resume: {} is the result of another search{}; give another file, or --force to replace it", file,
            difference.empty() ? "" : ": " + difference);
}

SearchState KeptRounds::begin(const Fingerprint& now, Progress& progress) {
  fingerprint_ = now;
  if (!possible()) return {};
  check_writable(file_);
  if (!earlier_) {
    if (places_.resume && !places_.force) check_no_other_result(now);
    remove();  // another search's, that --force gave up: a restart must not take it for this one's
    if (places_.resume) progress.note(fmt::format("{}: no rounds are kept there; beginning anew", file_.string()));
    return {};
  }
  const std::string difference = earlier_->fingerprint.difference_to(now);
  if (!difference.empty()) {
    bad_input("--resume: {} is of another search: {}; give the same as then, or --force without --resume",
              file_.string(), difference);
  }
  rounds_kept_ = finished_rounds(earlier_->state);
  progress.note(fmt::format("going on after {}", work_done(*rounds_kept_)));
  return earlier_->state;
}

void KeptRounds::save(const SearchState& state, Progress& progress) {
  try {
    save_search(file_, {fingerprint_, state});
    rounds_kept_ = finished_rounds(state);
  } catch (const Error& error) {
    progress.note(fmt::format("warning: the search goes on, but can't be resumed: {}", error.what()));
  }
}

void KeptRounds::remove() {
  std::error_code ignored;
  if (possible()) fs::remove(file_, ignored);
  rounds_kept_.reset();
}

std::string KeptRounds::closing_message(std::string_view what_goes_on) const {
  if (!rounds_kept_) return "";
  return fmt::format("{} kept in {}; {}", work_done(*rounds_kept_), file_.string(), what_goes_on);
}

}  // namespace sleb::app
