# strata_add_compile_fail_test(<name> <file.cpp> [INCLUDE_DIRECTORIES <dir>...] [COMPILE_OPTIONS <flag>...]): a test of CTest that
# pins a mistake which your network refuses. The compiler gets -std=c++20, the directories and these flags; none of a target.
# The file has two halves:
#     // expect-error: residual_shapes_differ<
#     #ifdef EXPECT_COMPILE_FAIL
#     using Net = ...;  // wrong
#     #else
#     using Net = ...;  // right
#     #endif
# Without EXPECT_COMPILE_FAIL it must compile without a warning. With it the compiler must print exactly one error, and each line
# `// expect-error: <regex>` must match what it prints. `// expect-error[clang]: ` is for that compiler alone; `// cases: a b` and
# `// expect-error(a): ` are for several mistakes in one file, each compiled with CASE_a or CASE_b too.
set(STRATA_COMPILE_FAIL_RUN "${CMAKE_CURRENT_LIST_DIR}/CompileFailRun.cmake" CACHE INTERNAL "the driver of these tests")

function(strata_add_compile_fail_test name file)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "" "INCLUDE_DIRECTORIES;COMPILE_OPTIONS")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "strata_add_compile_fail_test: unexpected \"${arg_UNPARSED_ARGUMENTS}\"")
  endif()
  get_filename_component(source "${file}" ABSOLUTE)
  if(NOT EXISTS "${source}")
    message(FATAL_ERROR "strata_add_compile_fail_test: there is no ${source}")
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    set(kind clang)
  elseif(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(kind gcc)
  else()
    message(FATAL_ERROR "strata_add_compile_fail_test: it knows g++ and clang, not ${CMAKE_CXX_COMPILER_ID}")
  endif()
  # With those of Eigen, which strata::strata links.
  set(directories "$<TARGET_PROPERTY:strata::strata,INTERFACE_INCLUDE_DIRECTORIES>")
  foreach(directory IN LISTS arg_INCLUDE_DIRECTORIES)
    get_filename_component(directory "${directory}" ABSOLUTE)
    list(APPEND directories "${directory}")
  endforeach()
  add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -D "SOURCE=${source}" -D "COMPILER=${CMAKE_CXX_COMPILER}" -D KIND=${kind}
    -D "INCLUDE=${directories}" -D "OPTIONS=${arg_COMPILE_OPTIONS}" -P "${STRATA_COMPILE_FAIL_RUN}")
  set_tests_properties(${name} PROPERTIES LABELS compile_fail)
endfunction()
