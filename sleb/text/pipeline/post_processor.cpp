#include "sleb/text/pipeline/post_processor.h"

#include <fmt/core.h>

#include <optional>
#include <utility>

#include "sleb/text/model/token_model.h"

namespace sleb {
namespace {

// More than any model is given. A file could otherwise multiply places by ids, and text by places.
constexpr size_t most_special_ids = 1024;

// "TemplateProcessing": for one text, the list "single" of places for the text and for special tokens.
class Template : public PostProcessor {
 public:
  explicit Template(const JsonView& component) {
    const JsonView single = component.at("single");
    for (size_t i = 0; i < single.size(); ++i) {
      const JsonView element = single.at(i);
      if (const auto sequence = element.find("Sequence")) {
        if (sequence->at("id").string() != "A") sequence->fail("the template of a single text names a second one");
        if (takes_text_) sequence->fail("the template takes the text twice");
        takes_text_ = true;
        places_.push_back({});
      } else {
        places_.push_back(special_ids(component.at("special_tokens"), element.at("SpecialToken").at("id")));
        num_special_ids_ += places_.back()->size();
        if (num_special_ids_ > most_special_ids) {
          single.fail(fmt::format("adds more than {} special tokens", most_special_ids));
        }
      }
    }
  }

  std::vector<int64_t> apply(std::vector<int64_t> ids, bool add_special_tokens) const override {
    std::vector<int64_t> filled;
    for (const auto& place : places_) {
      if (!place) {
        filled.insert(filled.end(), ids.begin(), ids.end());
      } else if (add_special_tokens) {
        filled.insert(filled.end(), place->begin(), place->end());
      }
    }
    return filled;
  }

 private:
  static std::vector<int64_t> special_ids(const JsonView& tokens, const JsonView& name) {
    const JsonView ids = tokens.at(name.string()).at("ids");
    std::vector<int64_t> found;
    for (size_t i = 0; i < ids.size(); ++i) found.push_back(ids.at(i).integer(0, largest_token_id));
    return found;
  }

  std::vector<std::optional<std::vector<int64_t>>> places_;  // nothing: the text
  bool takes_text_ = false;
  size_t num_special_ids_ = 0;
};

// "BertProcessing" and "RobertaProcessing": one token before the text and one behind it.
class Around : public PostProcessor {
 public:
  explicit Around(const JsonView& component) : first_(id_of(component.at("cls"))), last_(id_of(component.at("sep"))) {}

  std::vector<int64_t> apply(std::vector<int64_t> ids, bool add_special_tokens) const override {
    if (!add_special_tokens) return ids;
    ids.insert(ids.begin(), first_);
    ids.push_back(last_);
    return ids;
  }

 private:
  static int64_t id_of(const JsonView& token) {
    if (token.size() != 2) token.fail("expected a token and its id");
    return token.at(1).integer(0, largest_token_id);
  }

  const int64_t first_, last_;
};

}  // namespace

void PostProcessors::append(const JsonView& component) {
  const std::string& type = component.at("type").string();
  if (type == "Sequence") {
    const JsonView members = component.at("processors");
    for (size_t i = 0; i < members.size(); ++i) append(members.at(i));
  } else if (type == "TemplateProcessing") {
    steps_.push_back(std::make_unique<Template>(component));
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    steps_.push_back(std::make_unique<Around>(component));
  } else if (type != "ByteLevel") {  // which moves offsets only
    component.fail(fmt::format("the post-processor {:?} is not supported", type));
  }
}

std::vector<int64_t> PostProcessors::apply(std::vector<int64_t> ids, bool add_special_tokens) const {
  for (const auto& step : steps_) ids = step->apply(std::move(ids), add_special_tokens);
  return ids;
}

}  // namespace sleb
