// huggingface_hub's own command, `hf`, does all that needs a network: tokens, gated repositories, Xet storage, locks,
// mirrors, proxies.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sleb/hub/repository_name.h"

namespace sleb {

// $SLEB_HF, else `hf` beside the .venv that sleb was built with, else on PATH. Throws Error(failed) where there is
// none.
std::filesystem::path find_hf();

// Runs `hf download` for the files of the revision that match the patterns, and returns the snapshot's folder.
// `working` is called a few times a second meanwhile. Throws Error, saying what to do, and Interrupted; what it was
// writing is then removed, and files that came whole stay.
std::filesystem::path hf_download(const RepositoryName& repository, const std::vector<std::string>& patterns,
                                  const std::function<void()>& working);

// HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE, as huggingface_hub reads them.
bool hub_is_offline();

// Whether huggingface_hub lets repositories share contents: not with HF_HUB_DISABLE_SHARED_BLOBS or HF_HUB_DISABLE_XET.
bool hub_shares_contents();

// HF_ENDPOINT, else https://huggingface.co; for messages, so without a password in it.
std::string hub_endpoint();

}  // namespace sleb
