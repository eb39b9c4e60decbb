# Warnings, sanitizers, ccache: what every target is compiled with.

add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor)
if(SLEB_WERROR)
  add_compile_options(-Werror)
endif()
# gcc 12 warns of overlapping memcpy inside std::string's own operator+ (gcc bug 105651).
add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# gcc from 13 on takes a reference into a JSON document for one into the JsonView that it came from, which may go.
add_compile_options(
  $<$<AND:$<CXX_COMPILER_ID:GNU>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,13>>:-Wno-dangling-reference>)
# Dequantised values must equal numpy's bit for bit: no fused multiply-add behind our back.
add_compile_options(-ffp-contract=off)

# Sources side by side: gcc would take an unnamed namespace's types for a header's, clang one source's names for shadows.
if(CMAKE_UNITY_BUILD)
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage> $<$<CXX_COMPILER_ID:Clang>:-Wno-shadow>)
endif()

if(SLEB_SANITIZE)
  add_compile_options(-fsanitize=${SLEB_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${SLEB_SANITIZE})
endif()
if(SLEB_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(CCACHE ccache)
if(CCACHE)
  # Precompiled headers are cached only with these allowances (ccache manual, "Precompiled headers"). Paths below the
  # folder that holds this one are cached relative to the build folder, so that another clone beside it finds them.
  get_filename_component(_beside "${CMAKE_SOURCE_DIR}/.." ABSOLUTE)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${_beside} CCACHE_NOHASHDIR=1 ${CCACHE})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()
