// Tables of a page: what is read is rounded, the number itself stands beside it (<data value>).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sleb/report/result/prune_result.h"

namespace sleb::page {

// A cell's markup.
std::string number_cell(double value);
std::string number_cell(double value, const std::string& text);
std::string count_cell(int64_t count);
std::string measured_cell(const std::optional<result::Measured>& measured);
std::string word_cell(std::string_view text);
std::string list_cell(const RemovalList& list);  // "none" of an empty one

struct Column {
  Column(const char* title) : name(title) {}  // NOLINT(*-explicit-*)
  Column(std::string title, bool has_words = false)
      : name(std::move(title)), words(has_words) {}  // NOLINT(*-explicit-*)

  std::string name;
  bool words = false;  // aligned to the left, as the first always is
};

class HtmlTable {
 public:
  HtmlTable(std::string_view caption, const std::vector<Column>& columns);

  // The first cell is a heading, given as text; the others as markup.
  void add(std::string_view heading, const std::vector<std::string>& cells, bool chosen = false);
  // In a box that scrolls sideways where it is too wide.
  std::string html() const;

 private:
  std::string caption_;
  std::string body_;
};

}  // namespace sleb::page
