# sleb_layer(NAME SOURCES a.cpp ... TESTS a_test.cpp ... DEPENDS targets ...)
# A layer is a static library sleb_NAME; its unit tests, beside the code, form one program sleb_NAME_test.
function(sleb_layer name)
  cmake_parse_arguments(LAYER "" "" "SOURCES;TESTS;DEPENDS" ${ARGN})
  add_library(sleb_${name} STATIC ${LAYER_SOURCES})
  target_include_directories(sleb_${name} PUBLIC "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>")
  target_compile_features(sleb_${name} PUBLIC cxx_std_20)
  set_target_properties(sleb_${name} PROPERTIES EXPORT_NAME ${name})
  set_property(GLOBAL APPEND PROPERTY SLEB_LAYERS sleb_${name})
  target_link_libraries(sleb_${name} PUBLIC ${LAYER_DEPENDS})
  if(SLEB_TESTS AND LAYER_TESTS)
    add_executable(sleb_${name}_test ${LAYER_TESTS})
    target_link_libraries(sleb_${name}_test PRIVATE sleb_${name} GTest::gtest_main)
    set_target_properties(sleb_${name}_test PROPERTIES UNITY_BUILD OFF)  # their helpers have the same names
    if(SLEB_SANITIZE MATCHES undefined)  # of what is tested; in tests it only doubles the time they take to compile
      target_compile_options(sleb_${name}_test PRIVATE -fno-sanitize=undefined)
    endif()
    add_dependencies(unit_tests sleb_${name}_test)
    # As one: under a sanitizer a program that has libtorch in it takes a second to begin.
    add_test(NAME sleb_${name}_test COMMAND sleb_${name}_test)
  endif()
endfunction()
