#include "sleb/report/figures/scale.h"

#include <gtest/gtest.h>

namespace sleb::page {
namespace {

using Kind = Scale::Kind;

std::vector<std::string> texts(const Scale& scale, int wanted) {
  std::vector<std::string> texts;
  for (const Tick& tick : scale.ticks(wanted)) texts.push_back(tick.text);
  return texts;
}

TEST(Scale, PutsValuesBetweenItsEnds) {
  const Scale linear(Kind::linear, 0, 10, 100, 200);
  EXPECT_EQ(linear(5), 150);
  EXPECT_EQ(linear(-1), 100);
  EXPECT_EQ(linear(11), 200);
  EXPECT_DOUBLE_EQ(Scale(Kind::logarithmic, 1, 100, 0, 10)(10), 5);
  EXPECT_DOUBLE_EQ(Scale(Kind::linear, 0, 10, 200, 100)(2), 180) << "upwards";
}

TEST(Scale, TicksAreRound) {
  EXPECT_EQ(texts(Scale(Kind::linear, 0, 1, 0, 1), 4), (std::vector<std::string>{"0", "0.5", "1"}));
  EXPECT_EQ(texts(Scale(Kind::linear, -0.3, 0.3, 0, 1), 4), (std::vector<std::string>{"-0.2", "0", "0.2"}));
  EXPECT_EQ(texts(Scale(Kind::logarithmic, 0.9, 60, 0, 1), 4), (std::vector<std::string>{"1", "3", "10", "30"}));
  EXPECT_EQ(texts(Scale(Kind::logarithmic, 18, 41, 0, 1), 3), (std::vector<std::string>{"20", "30", "40"}));
}

TEST(Scale, TakesARangeOfNoWidth) {
  EXPECT_NEAR(Scale(Kind::linear, 3, 3, 0, 10)(3), 5, 0.1);
  EXPECT_NEAR(Scale(Kind::logarithmic, 3, 3, 0, 10)(3), 5, 0.1);
  EXPECT_FALSE(Scale(Kind::linear, 0, 0, 0, 10).ticks(4).empty());
}

TEST(Cividis, GoesFromYellowToBlueAndDarkens) {
  EXPECT_EQ(cividis(0), "#ffe945");
  EXPECT_EQ(cividis(1), "#00204c");
  EXPECT_EQ(cividis(-3), cividis(0));
  // By the luminance of its parts (BT.709), within what rounding to 8 bits may do.
  double before = 256;
  for (int i = 0; i <= 20; ++i) {
    const auto part = [colour = cividis(i / 20.0)](size_t at) { return std::stoi(colour.substr(at, 2), nullptr, 16); };
    const double luminance = 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5);
    EXPECT_LT(luminance, before + 0.5) << i;
    before = luminance;
  }
}

}  // namespace
}  // namespace sleb::page
