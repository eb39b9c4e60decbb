#include "sleb/text/normalizer/replace.h"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "sleb/base/error.h"
#include "sleb/unicode/finder.h"

namespace sleb {
namespace {

// What is put in comes again for every match, or for every section between added tokens.
constexpr size_t longest_content = 1024;  // bytes

std::string short_string(const JsonView& value) {
  if (value.string().size() > longest_content) {
    value.fail(fmt::format("{} bytes are too many to put into a text", value.string().size()));
  }
  return value.string();
}

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  void apply(Section& section, size_t) const override {
    if (section.text.empty()) return;
    section.text.insert(0, prefix_);
    if (section.from_first > 0) section.from_first += prefix_.size();
  }

 private:
  const std::string prefix_;
};

class Replace : public Normalizer {
 public:
  Replace(Finder find, std::string content, std::string place)
      : find_(std::move(find)), content_(std::move(content)), place_(std::move(place)) {}

  void apply(Section& section, size_t longest) const override {
    const std::string_view text = section.text;
    if (text.empty()) return;
    std::vector<Span> matches;
    find_(text, matches);
    size_t size = text.size() + matches.size() * content_.size();
    for (const Span& match : matches) size -= match.end - match.begin;
    if (size > longest) bad_input("{}: makes {} bytes of a text of {}", place_, size, text.size());
    std::string out;
    out.reserve(size);
    size_t from_first = 0;
    size_t done = 0;
    const auto keep = [&](size_t end) {
      if (done < section.from_first) from_first = out.size() + std::min(end, section.from_first) - done;
      out += text.substr(done, end - done);
    };
    for (const Span& match : matches) {
      keep(match.begin);
      out += content_;
      done = match.end;
      if (done <= section.from_first) from_first = out.size();  // as far from the first as the match's last byte
    }
    keep(text.size());
    section.from_first = from_first;
    section.text = std::move(out);
  }

 private:
  const Finder find_;
  const std::string content_;
  const std::string place_;
};

}  // namespace

std::unique_ptr<Normalizer> make_prepend(const JsonView& component) {
  return std::make_unique<Prepend>(short_string(component.at("prepend")));
}

std::unique_ptr<Normalizer> make_replace(const JsonView& component) {
  return std::make_unique<Replace>(pattern_finder(component.at("pattern")), short_string(component.at("content")),
                                   component.place());
}

}  // namespace sleb
