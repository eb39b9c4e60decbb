// Markup for a page and its pictures: escaped text, numbers, and a picture in SVG 1.1 that is put together shape by
// shape.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sleb::page {

// Fit for text and quoted attributes of HTML and XML; characters that XML does not have become U+FFFD.
std::string escaped(std::string_view text);
// Of a long text the two ends, at most about `characters` together.
std::string shortened(std::string_view text, size_t characters);

// Four significant digits or so, as people read them: "1024", "25.13", "0.0123".
std::string number_text(double value);
// "25.13 ± 0.42", both to the error's second digit.
std::string number_text(double value, const std::optional<double>& error);
// "1,024".
std::string count_text(int64_t count);
// All digits: reads back as the same number.
std::string exact(double value);

enum class Anchor { start, middle, end };

// In pixels, x to the right and y down. Classes are those of the style sheet.
class Drawing {
 public:
  Drawing(double width, double height) : width_(width), height_(height) {}

  double width() const { return width_; }
  double height() const { return height_; }

  void rect(double x, double y, double width, double height, std::string_view attributes);
  void line(double x1, double y1, double x2, double y2, std::string_view cls);
  void circle(double x, double y, double radius, std::string_view cls);
  void polygon(std::string_view points, std::string_view cls);
  void text(double x, double y, std::string_view text, std::string_view cls = "", Anchor anchor = Anchor::start);
  // A part that tells its numbers: by `label` to whoever points at it or comes to it by keyboard.
  void begin_part(std::string_view cls, std::string_view label, std::string_view attributes = "");
  void end_part() { body_ += "</g>\n"; }
  // Anything else, as it stands.
  void add(std::string_view markup) { body_ += markup; }
  // Another picture, at a place in this one.
  void place(const Drawing& other, double x, double y);

  // Inside a page, whose style sheet it takes.
  std::string inlined(std::string_view title) const;
  // A file of its own, with its style, on white.
  std::string file(std::string_view title) const;

 private:
  double width_;
  double height_;
  std::string body_;
};

}  // namespace sleb::page
