// How much memory there is.
#pragma once

#include <cstdint>

namespace sleb {

// Bytes that this process may still take without swapping or being killed: what the system calls available
// (/proc/meminfo), or less where a control group (version 1 or 2) or an address-space limit sets a bound.
uint64_t available_memory();

// What malloc does with freed blocks of 128 KiB to 32 MiB. Where weights are loaded, temporaries between what stays
// would leave holes: give them back to the system. Activations, megabytes large, are freed within milliseconds: keep
// them, as mapping and faulting them in anew costs several per cent of the time.
enum class FreedBlocks { given_back, kept };
void set_freed_blocks(FreedBlocks blocks);

// Gives back to the system what malloc keeps of freed memory now, such as a parsed tokenizer.json.
void give_back_freed();

}  // namespace sleb
