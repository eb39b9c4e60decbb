// How much memory there is.
#pragma once

#include <cstdint>
#include <string>

namespace sleb {

// What bounds the memory that this process may take without swapping or being killed, and by how much.
struct MemoryBound {
  std::string name;   // "ulimit -d"; empty: the machine's memory
  uint64_t used = 0;  // bytes that count already; 0 of the machine
  uint64_t free = 0;  // bytes
};
// The tightest: what the system calls available (/proc/meminfo), or less where a control group (version 1 or 2) or a
// limit of the address space (ulimit -v) or of private memory (ulimit -d) sets a bound.
MemoryBound tightest_memory_bound();
// Its free bytes.
uint64_t available_memory();

// Bytes that this process has in memory.
struct ProcessMemory {
  uint64_t resident = 0;  // mapped files included; /usr/bin/time calls its peak the maximum resident set size
  uint64_t peak = 0;      // of `resident`, so far
};
ProcessMemory process_memory();

// What malloc does with freed blocks of 128 KiB to 32 MiB. Where weights are loaded, temporaries between what stays
// would leave holes: give them back to the system. Activations, megabytes large, are freed within milliseconds: keep
// them, as mapping and faulting them in anew costs several per cent of the time.
enum class FreedBlocks { given_back, kept };
void set_freed_blocks(FreedBlocks blocks);

// Gives back to the system what malloc keeps of freed memory now, such as a parsed tokenizer.json.
void give_back_freed();

}  // namespace sleb
