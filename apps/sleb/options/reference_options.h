// The command lines of the published SLEB code (github.com/jiwonsong-dev/SLEB; sleb.py, eval.py and latency.py, which
// python-fire calls), in this program's options.
#pragma once

#include <string>
#include <vector>

namespace sleb::app {

// `arguments`: after the program's name, option names with hyphens. Where `prune`, `eval` or `latency` is the first,
// the options that only the published code has (--model-name, --eval-zeroshot True, --generation, ...) become this
// program's, truth values in the user's sense and not in Python's; all else stays as it is. Throws Error(bad_input) for
// a value that is neither true nor false, and for an option that sleb does not have, naming its own.
std::vector<std::string> in_own_options(const std::vector<std::string>& arguments);

}  // namespace sleb::app
