#include "sleb/report/figures/drawing.h"

#include <fmt/core.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "sleb/base/utf8.h"
#include "sleb/report/figures/style.h"

namespace sleb::page {
namespace {

// Tenths of a pixel are enough.
std::string px(double value) {
  std::string text = fmt::format("{:.1f}", value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

std::string with_decimals(double value, int decimals) {
  return fmt::format("{:.{}f}", value, decimals);
}

}  // namespace

std::string escaped(std::string_view text) {
  const std::string valid = replace_invalid_utf8(text);
  std::string safe;
  for (const char c : valid) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default: {
        const bool is_control = static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
        if (is_control || c == 0x7F) {
          safe += replacement_character;
        } else {
          safe += c;
        }
      }
    }
  }
  return safe;
}

std::string shortened(std::string_view text, size_t characters) {
  const std::string valid = replace_invalid_utf8(text);
  std::vector<std::string_view> all;
  for (size_t at = 0; at < valid.size(); at += all.back().size()) {
    all.push_back(std::string_view(valid).substr(at, character_size(valid[at])));
  }
  if (all.size() <= characters) return valid;
  std::string cut;
  const size_t behind = characters * 2 / 3, front = characters - behind - 1;
  for (size_t i = 0; i < front; ++i) cut += all[i];
  cut += "…";
  for (size_t i = all.size() - behind; i < all.size(); ++i) cut += all[i];
  return cut;
}

std::string number_text(double value) {
  const double size = std::fabs(value);
  if (value == 0) return "0";
  if (size >= 1e6 || size < 0.00095) return fmt::format("{:.3g}", value);
  if (size >= 999.95) return with_decimals(value, 0);
  return with_decimals(value, size >= 99.995 ? 1 : size >= 9.9995 ? 2 : size >= 0.99995 ? 3 : 4);
}

std::string number_text(double value, const std::optional<double>& error) {
  if (!error) return number_text(value);
  if (*error <= 0 || std::fabs(value) >= 1e6 || *error < 1e-6) {
    return fmt::format("{} ± {}", number_text(value), number_text(*error));
  }
  const int decimals = std::clamp(1 - static_cast<int>(std::floor(std::log10(*error))), 0, 6);
  return fmt::format("{} ± {}", with_decimals(value, decimals), with_decimals(*error, decimals));
}

std::string count_text(int64_t count) {
  std::string text = std::to_string(count);
  for (int64_t at = std::ssize(text) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}

std::string exact(double value) {
  return fmt::format("{}", value);
}

void Drawing::rect(double x, double y, double width, double height, std::string_view attributes) {
  body_ += fmt::format(R"(<rect x="{}" y="{}" width="{}" height="{}" {}/>)", px(x), px(y), px(width), px(height),
                       attributes);
}

void Drawing::line(double x1, double y1, double x2, double y2, std::string_view cls) {
  body_ += fmt::format(R"(<line x1="{}" y1="{}" x2="{}" y2="{}" class="{}"/>)", px(x1), px(y1), px(x2), px(y2), cls);
}

void Drawing::circle(double x, double y, double radius, std::string_view cls) {
  body_ += fmt::format(R"(<circle cx="{}" cy="{}" r="{}" class="{}"/>)", px(x), px(y), px(radius), cls);
}

void Drawing::polygon(std::string_view points, std::string_view cls) {
  body_ += fmt::format(R"(<polygon points="{}" class="{}"/>)", points, cls);
}

void Drawing::text(double x, double y, std::string_view text, std::string_view cls, Anchor anchor) {
  constexpr std::string_view anchors[] = {"start", "middle", "end"};
  body_ += fmt::format(R"(<text x="{}" y="{}" class="{}" text-anchor="{}">{}</text>)", px(x), px(y), cls,
                       anchors[static_cast<size_t>(anchor)], escaped(text));
}

void Drawing::begin_part(std::string_view cls, std::string_view label, std::string_view attributes) {
  const std::string safe = escaped(label);
  body_ += fmt::format(R"(<g class="{}" tabindex="0" role="img" aria-label="{}" {}><title>{}</title>)", cls, safe,
                       attributes, safe);
}

void Drawing::place(const Drawing& other, double x, double y) {
  body_ += fmt::format("<g transform=\"translate({},{})\">\n{}</g>\n", px(x), px(y), other.body_);
}

std::string Drawing::inlined(std::string_view title) const {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"group\" "
      "aria-label=\"{2}\">\n{3}</svg>\n",
      px(width_), px(height_), escaped(title), body_);
}

std::string Drawing::file(std::string_view title) const {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\">\n"
      "<title>{2}</title>\n<metadata>sleb</metadata>\n<style>{3}</style>\n<rect width=\"{0}\" height=\"{1}\" "
      "fill=\"#ffffff\"/>\n{4}</svg>\n",
      px(width_), px(height_), escaped(title), picture_style(), body_);
}

}  // namespace sleb::page
