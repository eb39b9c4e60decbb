// Axes and colours.
#pragma once

#include <string>
#include <vector>

namespace sleb::page {

struct Tick {
  double at;  // in the picture
  std::string text;
};

// A range of values drawn between two places of a picture.
class Scale {
 public:
  enum class Kind { linear, logarithmic };
  // A range of no width is widened. A logarithmic one has values above 0.
  Scale(Kind kind, double least, double most, double from, double to);

  // Values outside end at the edge.
  double operator()(double value) const;
  // At most about `wanted`, at 1, 2 and 5 times powers of ten.
  std::vector<Tick> ticks(int wanted) const;

 private:
  double share(double value) const;
  std::vector<double> round_values(int wanted) const;

  Kind kind_;
  double least_, most_, from_, to_;
};

// Cividis (Nunez, Anderton, Renslow, 2018), made to look the same with and without a colour vision deficiency, from
// light yellow at 0 to dark blue at 1: "#rrggbb".
std::string cividis(double share);

}  // namespace sleb::page
