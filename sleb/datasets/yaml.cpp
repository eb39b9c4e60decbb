#include "sleb/datasets/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <array>
#include <string>

#include "sleb/base/error.h"
#include "sleb/base/utf8.h"

namespace sleb {
namespace {

constexpr int deepest = 64;
constexpr int most_anchors = 10'000;        // and aliases
constexpr int64_t most_values = 1'000'000;  // 16 bytes of text count as one

// https://yaml.org/type/null.html and bool.html, as PyYAML's resolver has them.
constexpr std::array nulls = {"", "~", "null", "Null", "NULL"};
constexpr std::array trues = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
constexpr std::array falses = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};

class Parser {
 public:
  Parser(std::string_view text, const std::string& label) : label_(label) {
    if (yaml_parser_initialize(&parser_) == 0) failed("{}: no memory to read it", label_);
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  ~Parser() { yaml_parser_delete(&parser_); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;

  yaml_parser_t* get() { return &parser_; }
  [[noreturn]] void fail() const {
    bad_input("{}, line {}: is no YAML: {}", label_, parser_.problem_mark.line + 1,
              parser_.problem == nullptr ? "malformed" : parser_.problem);
  }

 private:
  std::string label_;
  yaml_parser_t parser_ = {};
};

bool has_anchor(const yaml_event_t& event) {
  if (event.type == YAML_ALIAS_EVENT) return true;
  if (event.type == YAML_SCALAR_EVENT) return event.data.scalar.anchor != nullptr;
  if (event.type == YAML_SEQUENCE_START_EVENT) return event.data.sequence_start.anchor != nullptr;
  return event.type == YAML_MAPPING_START_EVENT && event.data.mapping_start.anchor != nullptr;
}

// libyaml's time grows with the square of the depth, and with that of the number of anchors and aliases, so these are
// checked before the whole is read.
void check_cost(std::string_view text, const std::string& label) {
  Parser parser(text, label);
  int depth = 0;
  int anchors = 0;
  for (yaml_event_type_t type = YAML_NO_EVENT; type != YAML_STREAM_END_EVENT && type != YAML_DOCUMENT_END_EVENT;) {
    yaml_event_t event;
    if (yaml_parser_parse(parser.get(), &event) == 0) parser.fail();
    type = event.type;
    const size_t line = event.start_mark.line + 1;
    if (has_anchor(event)) ++anchors;
    yaml_event_delete(&event);
    if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT) ++depth;
    if (type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT) --depth;
    if (depth > deepest) bad_input("{}, line {}: is nested deeper than {} levels", label, line, deepest);
    if (anchors > most_anchors)
      bad_input("{}, line {}: has more than {} anchors and aliases", label, line, most_anchors);
  }
}

class Document {
 public:
  Document(std::string_view text, std::string_view label) : label_(label) {
    check_cost(text, label_);
    Parser parser(text, label_);
    if (yaml_parser_load(parser.get(), &document_) == 0) parser.fail();
  }
  ~Document() { yaml_document_delete(&document_); }
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  Json json() {
    const yaml_node_t* root = yaml_document_get_root_node(&document_);
    return root == nullptr ? Json() : value_of(*root, 0);
  }

 private:
  [[noreturn]] void fail(const yaml_node_t& node, std::string_view what) const {
    bad_input("{}, line {}: {}", label_, node.start_mark.line + 1, what);
  }

  const yaml_node_t& node_at(int index) { return *yaml_document_get_node(&document_, index); }

  std::string text_of(const yaml_node_t& node) {
    std::string text(reinterpret_cast<const char*>(node.data.scalar.value), node.data.scalar.length);
    budget_ -= static_cast<int64_t>(text.size() / 16);
    return text;
  }

  Json scalar(const yaml_node_t& node) {
    std::string text = text_of(node);
    if (node.data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return text;
    if (std::ranges::find(nulls, text) != nulls.end()) return nullptr;
    if (std::ranges::find(trues, text) != trues.end()) return true;
    if (std::ranges::find(falses, text) != falses.end()) return false;
    return text;
  }

  Json value_of(const yaml_node_t& node, int depth) {
    if (depth > deepest) fail(node, fmt::format("is nested deeper than {} levels", deepest));
    if (--budget_ < 0) fail(node, fmt::format("stands for more than {} values", most_values));
    if (node.type == YAML_SCALAR_NODE) return scalar(node);
    if (node.type == YAML_SEQUENCE_NODE) {
      Json array = Json::array();
      const auto& items = node.data.sequence.items;
      for (const auto* item = items.start; item < items.top; ++item) {
        array.push_back(value_of(node_at(*item), depth + 1));
      }
      return array;
    }
    Json object = Json::object();
    const auto& pairs = node.data.mapping.pairs;
    for (const auto* pair = pairs.start; pair < pairs.top; ++pair) {
      const yaml_node_t& key = node_at(pair->key);
      if (key.type != YAML_SCALAR_NODE) fail(key, "a key is a list or a mapping");
      object[text_of(key)] = value_of(node_at(pair->value), depth + 1);
    }
    return object;
  }

  std::string label_;
  yaml_document_t document_ = {};
  int64_t budget_ = most_values;
};

}  // namespace

Json parse_yaml(std::string_view text, std::string_view label) {
  // libyaml reads UTF-16 too, and names its faults by bytes.
  if (!is_valid_utf8(text)) bad_input("{}: is not UTF-8", label);
  if (text.empty()) return nullptr;
  return Document(text, label).json();
}

}  // namespace sleb
