# compile_fail_test(<file.cpp> [VERDICT <regex>] [NVCC] [PAGE <file.md>] [FLAG <flag>])
#
# One source has two halves: without EXPECT_COMPILE_FAIL it must compile without a warning, and with it it must not compile.
# Comments beside the mistake state what the compiler must print:
#     // expect-error: <regex>             each of these lines must match the compiler's output
#     // expect-error[gcc]: <regex>        only with this compiler: gcc, clang or nvcc
#     // cases: a b                        several mistakes in one file: each is compiled with CASE_a, CASE_b, ... defined,
#                                          and EXPECT_COMPILE_FAIL too; there may be several such lines
#     // expect-error(a): <regex>          only for this case; lines without a case are for all. Each case needs a line
#     // expect-error(a)[gcc]: <regex>
# The compiler must print exactly one error, in at most 12 lines (g++, nvcc) or 16 (clang, which quotes more). A test that only
# expects a failure would also accept a missing header.
#
# VERDICT tests the harness: it must reject the file, for a reason that matches.
#
# PAGE is the help page of the error. With g++ 12, the test compares it with the compiler's output, except line numbers. The
# target update_error_pages rewrites this part of every page.
#
# FLAG is a flag of the compiler that only the half that must not compile gets. It becomes a part of the test's name.
find_program(STRATA_NVCC nvcc HINTS /usr/local/cuda/bin ENV CUDA_HOME PATH_SUFFIXES bin)

function(compile_fail_test source)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NVCC" "VERDICT;PAGE;FLAG" "")
  get_filename_component(name ${source} NAME_WE)
  if(arg_NVCC)
    set(kind nvcc)
    set(compiler ${STRATA_NVCC})
    set(test compile_fail.nvcc.${name})
  else()
    set(compiler ${CMAKE_CXX_COMPILER})
    set(test compile_fail.${name})
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
      set(kind clang)
    else()
      set(kind gcc)
    endif()
  endif()
  if(arg_VERDICT)
    set(test compile_fail.meta.${name})
  endif()
  string(APPEND test ${arg_FLAG})
  # GCC reads strata with the bodies of its functions, the others without: these take most of the time. So does GCC where a
  # file has many mistakes.
  set(options "")
  file(STRINGS ${source} cases REGEX "^ *// cases: " LIMIT_COUNT 1)
  if(NOT kind STREQUAL "gcc" OR cases)
    set(options -DSTRATA_COMPILED)
  endif()
  set(max_lines 12)
  if(kind STREQUAL "clang")
    set(max_lines 16)
  endif()
  get_target_property(eigen Eigen3::Eigen INTERFACE_INCLUDE_DIRECTORIES)
  set(page "")
  if(arg_PAGE AND kind STREQUAL "gcc" AND CMAKE_CXX_COMPILER_VERSION MATCHES "^12\\." AND EXISTS ${arg_PAGE})
    set(page -D PAGE=${arg_PAGE})
  endif()
  set(driver -D SOURCE=${source} -D COMPILER=${compiler} -D KIND=${kind} -D INCLUDE=${PROJECT_SOURCE_DIR}/include
      -D MAX_LINES=${max_lines} "-D" "EIGEN=${eigen}" "-D" "OPTIONS=${options}" "-D" "VERDICT=${arg_VERDICT}" "-D" "FLAG=${arg_FLAG}" ${page})
  set(script ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/CompileFailRun.cmake)
  add_test(NAME ${test} COMMAND ${CMAKE_COMMAND} ${driver} -P ${script})
  if(page AND NOT arg_VERDICT)
    if(NOT TARGET update_error_pages)
      add_custom_target(update_error_pages)
    endif()
    add_custom_command(TARGET update_error_pages COMMAND ${CMAKE_COMMAND} -D UPDATE=ON ${driver} -P ${script} VERBATIM)
  endif()
  set_tests_properties(${test} PROPERTIES LABELS compile_fail TIMEOUT 1200)
endfunction()

# Checks that every struct template of namespace strata::error has a compile-fail test and a help page. CMake stops otherwise.
function(check_error_catalogue header tests pages)
  file(READ ${header} text)
  string(FIND "${text}" "namespace error {" begin)
  if(begin EQUAL -1)
    string(FIND "${text}" "namespace strata::error {" begin)
  endif()
  string(REGEX MATCH "}  // namespace (strata::)?error\n" close "${text}")
  string(FIND "${text}" "${close}" end REVERSE)
  if(begin EQUAL -1 OR NOT close OR end LESS begin)
    message(FATAL_ERROR "${header} holds no `namespace error { ... }  // namespace error`")
  endif()
  math(EXPR length "${end} - ${begin}")
  string(SUBSTRING "${text}" ${begin} ${length} text)
  string(REGEX REPLACE "//[^\n]*" "" text "${text}")
  # The head of a template, `struct name`, and a body or a base; no declarations and no specializations.
  string(REGEX MATCHALL "template[^;{}]*>[ \n]+struct [A-Za-z0-9_]+[ \n]*[{:]" heads "${text}")
  if(NOT heads)
    message(FATAL_ERROR "no error found in ${header}: has its layout changed?")
  endif()
  set(missing "")
  set(names "")
  foreach(head IN LISTS heads)
    string(REGEX REPLACE ".*struct ([A-Za-z0-9_]+)[ \n]*[{:]$" "\\1" name "${head}")
    list(APPEND names ${name})
    foreach(file ${tests}/${name}.cpp ${pages}/${name}.md)
      if(NOT EXISTS ${file})
        file(RELATIVE_PATH file ${PROJECT_SOURCE_DIR} ${file})
        string(APPEND missing "\n  strata::error::${name} has no ${file}")
      endif()
    endforeach()
  endforeach()
  list(LENGTH names count)
  if(missing)
    message(FATAL_ERROR "the catalogue of errors is incomplete:${missing}")
  endif()
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${header})
  message(STATUS "strata::error: ${count} errors, each with a test and a page")
endfunction()
