// The parts of a page about one result, in HTML; "" for what the result has not.
#pragma once

#include <string>

#include "sleb/report/figures/figures.h"
#include "sleb/report/result/prune_result.h"

namespace sleb::page {

std::string map_section(const result::PruneResult& result);
std::string path_section(const result::PruneResult& result);
// Which blocks are gone.
std::string gone_figure(const result::PruneResult& result);
// Search for better sets: which sets, and the races.
std::string sets_section(const result::PruneResult& result);
std::string perplexity_section(const result::PruneResult& result);
std::string task_section(const result::PruneResult& result);
std::string size_and_speed_section(const result::PruneResult& result);
std::string repair_section(const result::PruneResult& result);
// Calibration, search, machine, command.
std::string record_section(const result::PruneResult& result);

// "<figure>" with a picture and its caption; a plot grows and shrinks with the page, a map scrolls sideways in it.
enum class FigureKind { plot, map };
std::string figure(const Drawing& drawing, FigureKind kind, const std::string& title, const std::string& caption);

}  // namespace sleb::page
