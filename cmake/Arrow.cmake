# Arrow C++ as it is inside the wheel of pyarrow, headers and libraries: what reads Parquet and Arrow files.
#
# Looked for in CMAKE_PREFIX_PATH (a pyarrow folder, or beside a torch that is named there, as Libtorch.cmake takes it),
# then in .venv. sleb_arrow is the target to link to. Goes along with an installed sleb too.

if(TARGET sleb_arrow)
  return()
endif()

set(_candidates "")
foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND _candidates "${prefix}" "${prefix}/../pyarrow" "${prefix}/../../../pyarrow" "${prefix}/pyarrow")
endforeach()
file(GLOB _venv "${CMAKE_CURRENT_SOURCE_DIR}/.venv/lib/python3*/site-packages/pyarrow")
list(APPEND _candidates ${_venv})

set(SLEB_PYARROW "")
foreach(candidate IN LISTS _candidates)
  # The wheel has the libraries under their versioned names alone.
  file(GLOB _arrow "${candidate}/libarrow.so*")
  file(GLOB _parquet "${candidate}/libparquet.so*")
  if(_arrow AND _parquet AND EXISTS "${candidate}/include/arrow/api.h")
    get_filename_component(SLEB_PYARROW "${candidate}" ABSOLUTE)
    list(GET _arrow 0 _arrow)
    list(GET _parquet 0 _parquet)
    break()
  endif()
endforeach()
if(NOT SLEB_PYARROW)
  message(FATAL_ERROR "pyarrow not found: run scripts/setup.sh, or pass -DCMAKE_PREFIX_PATH=$(python3 -c "
                      "'import os, pyarrow; print(os.path.dirname(pyarrow.__file__))'), or do without Parquet and Arrow "
                      "files: -DSLEB_ARROW=OFF")
endif()

file(GLOB _info "${SLEB_PYARROW}/../pyarrow-*.dist-info")
string(REGEX MATCH "pyarrow-([0-9]+[.][0-9]+[.][0-9]+)" _info "${_info}")
set(SLEB_PYARROW_VERSION "${CMAKE_MATCH_1}")

add_library(arrow::arrow SHARED IMPORTED GLOBAL)
set_target_properties(arrow::arrow PROPERTIES IMPORTED_LOCATION "${_arrow}")
add_library(arrow::parquet SHARED IMPORTED GLOBAL)
set_target_properties(arrow::parquet PROPERTIES IMPORTED_LOCATION "${_parquet}")
add_library(sleb_arrow INTERFACE IMPORTED GLOBAL)
target_link_libraries(sleb_arrow INTERFACE arrow::parquet arrow::arrow)
target_compile_options(sleb_arrow INTERFACE "SHELL:-idirafter ${SLEB_PYARROW}/include")
# libparquet finds libarrow beside itself at run time; the linker need not.
target_link_options(sleb_arrow INTERFACE -Wl,--allow-shlib-undefined)
message(STATUS "Arrow: ${SLEB_PYARROW}")
