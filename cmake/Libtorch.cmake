# libtorch as plain imported targets: find_package(Torch) stops at configure when a CUDA build of libtorch meets a machine
# without the CUDA toolkit, and nothing here needs the toolkit.
#
# Looked for in CMAKE_PREFIX_PATH (a libtorch folder, what torch.utils.cmake_prefix_path prints, or site-packages), then in
# .venv. sleb_libtorch is the target to link to. Goes along with an installed sleb too, whose users need the same.

if(TARGET sleb_libtorch)
  return()
endif()

set(_candidates "")
foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND _candidates "${prefix}" "${prefix}/../.." "${prefix}/torch")
endforeach()
file(GLOB _venv "${CMAKE_CURRENT_SOURCE_DIR}/.venv/lib/python3*/site-packages/torch")
list(APPEND _candidates ${_venv})

set(SLEB_LIBTORCH "")
foreach(candidate IN LISTS _candidates)
  if(EXISTS "${candidate}/lib/libtorch_cpu.so" AND EXISTS "${candidate}/include/ATen/ATen.h")
    get_filename_component(SLEB_LIBTORCH "${candidate}" ABSOLUTE)
    break()
  endif()
endforeach()
if(NOT SLEB_LIBTORCH)
  message(FATAL_ERROR "libtorch not found: run scripts/setup.sh, or pass "
                      "-DCMAKE_PREFIX_PATH=$(python3 -c 'import torch; print(torch.utils.cmake_prefix_path)')")
endif()

# Known of a wheel's.
file(GLOB _info "${SLEB_LIBTORCH}/../torch-*.dist-info")
string(REGEX MATCH "torch-([0-9]+[.][0-9]+[.][0-9]+)" _info "${_info}")
set(SLEB_LIBTORCH_VERSION "${CMAKE_MATCH_1}")

function(_torch_library name)
  add_library(torch::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(torch::${name} PROPERTIES IMPORTED_LOCATION "${SLEB_LIBTORCH}/lib/lib${name}.so")
endfunction()

_torch_library(c10)
_torch_library(torch_cpu)
_torch_library(torch)
add_library(sleb_libtorch INTERFACE IMPORTED GLOBAL)
# In front of libtorch, so that a symbol of the C++ library is looked for there first: the CUDA wheel's libtorch.so exports
# a std::filesystem::remove_all of its own, which calls what is not there.
target_link_options(sleb_libtorch INTERFACE "LINKER:--push-state,--no-as-needed,-lstdc++,--pop-state")
target_link_libraries(sleb_libtorch INTERFACE torch::torch torch::torch_cpu torch::c10)
# After the system's folders: the wheel brings headers of its own copy of fmt, which must not hide the library we link.
target_compile_options(sleb_libtorch INTERFACE "SHELL:-idirafter ${SLEB_LIBTORCH}/include")
# The wheel's libraries find their own dependencies at run time; the linker need not.
target_link_options(sleb_libtorch INTERFACE -Wl,--allow-shlib-undefined)
if(SKBUILD)
  # A wheel runs with torch for CPU and for CUDA: its libtorch.so loads torch_cuda where there is one.
  target_link_options(sleb_libtorch INTERFACE
    "LINKER:--push-state,--no-as-needed,${SLEB_LIBTORCH}/lib/libtorch.so,--pop-state")
  message(STATUS "libtorch (for a wheel): ${SLEB_LIBTORCH}")
elseif(EXISTS "${SLEB_LIBTORCH}/lib/libtorch_cuda.so")
  # Nothing names a symbol of torch_cuda: it registers its kernels when loaded.
  target_link_options(sleb_libtorch INTERFACE
    "LINKER:--push-state,--no-as-needed,${SLEB_LIBTORCH}/lib/libtorch_cuda.so,${SLEB_LIBTORCH}/lib/libc10_cuda.so,--pop-state")
  message(STATUS "libtorch (CUDA): ${SLEB_LIBTORCH}")
else()
  message(STATUS "libtorch (CPU): ${SLEB_LIBTORCH}")
endif()
