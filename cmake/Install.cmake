# What `cmake --install` puts where, in two components: the programs, and the library for find_package(sleb).
include(GNUInstallDirs)

if(SKBUILD)
  # A wheel: the Python package has the programs inside it, and torch and pyarrow beside it.
  set(_programs sleb/bin)
  set(_search_path "$ORIGIN/../lib" "$ORIGIN/../../torch/lib" "$ORIGIN/../../pyarrow")
else()
  set(_programs ${CMAKE_INSTALL_BINDIR})
  set(_search_path "${SLEB_LIBTORCH}/lib")
  if(SLEB_ARROW)
    list(APPEND _search_path "${SLEB_PYARROW}")
  endif()
endif()
set_target_properties(sleb sleb-engine PROPERTIES INSTALL_RPATH "${_search_path}")
install(TARGETS sleb sleb-engine RUNTIME_DEPENDENCY_SET sleb_libraries
        RUNTIME DESTINATION ${_programs} COMPONENT programs)

if(SKBUILD)
  # The distribution's libraries bear versions in their names that another distribution does not have: they go along. What
  # the C++ compiler brings, every machine with torch has.
  install(RUNTIME_DEPENDENCY_SET sleb_libraries
          PRE_EXCLUDE_REGEXES "^lib(torch|c10|arrow|parquet)" "^lib(c|m|dl|rt|pthread|gcc_s|stdc\\+\\+)\\.so" "^ld-linux"
          LIBRARY DESTINATION sleb/lib COMPONENT programs)
  # Read by sleb/_program.py.
  set(_built_against "torch ${SLEB_LIBTORCH_VERSION}\n")
  if(SLEB_ARROW)
    string(APPEND _built_against "pyarrow ${SLEB_PYARROW_VERSION}\n")
  endif()
  file(WRITE "${CMAKE_BINARY_DIR}/built-against" "${_built_against}")
  install(FILES "${CMAKE_BINARY_DIR}/built-against" DESTINATION sleb COMPONENT programs)
  return()
endif()

get_property(_layers GLOBAL PROPERTY SLEB_LAYERS)
list(TRANSFORM _layers REPLACE "^sleb_" "sleb::" OUTPUT_VARIABLE SLEB_TARGETS)
install(TARGETS ${_layers} EXPORT sleb-targets COMPONENT library
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(DIRECTORY "${PROJECT_SOURCE_DIR}/sleb" DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library
        FILES_MATCHING PATTERN "*.h" PATTERN "test_support.h" EXCLUDE)

include(CMakePackageConfigHelpers)
set(_package "${CMAKE_INSTALL_LIBDIR}/cmake/sleb")
install(EXPORT sleb-targets NAMESPACE sleb:: DESTINATION ${_package} COMPONENT library)
configure_package_config_file(cmake/sleb-config.cmake.in "${CMAKE_BINARY_DIR}/sleb-config.cmake"
                              INSTALL_DESTINATION ${_package})
write_basic_package_version_file("${CMAKE_BINARY_DIR}/sleb-config-version.cmake" COMPATIBILITY ExactVersion)
install(FILES "${CMAKE_BINARY_DIR}/sleb-config.cmake" "${CMAKE_BINARY_DIR}/sleb-config-version.cmake"
              cmake/Libraries.cmake cmake/Libtorch.cmake cmake/Arrow.cmake
        DESTINATION ${_package} COMPONENT library)
