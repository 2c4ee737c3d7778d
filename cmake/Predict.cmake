# strata_add_predict(<target> <network.hpp> [NAME <name>] [WEIGHTS <file>]): adds a program that labels pictures,
#     <target> [--top N] [--threads N] [WEIGHTS] IMAGE...
# for a network header as import_model.py writes it: `namespace NAME { using Net = strata::Sequential<...>; }`, where NAME is the
# name of the header. The file of weights tells the names of the classes and how a picture becomes an input. With WEIGHTS it is a part
# of the program, which then needs no other file. Links strata::images, CLI11 (libcli11-dev), and strata::compiled if it is there.
function(strata_add_predict target header)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "NAME;WEIGHTS" "")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "strata_add_predict: unknown arguments: ${arg_UNPARSED_ARGUMENTS}; expected <target> <network.hpp> "
            "[NAME <name>] [WEIGHTS <file>]")
  endif()
  if(NOT TARGET strata::images)
    message(FATAL_ERROR "strata_add_predict: strata::images is missing; it needs libpng and libjpeg, and find_package(strata) "
            "the component images")
  endif()
  find_package(CLI11 QUIET)
  if(NOT TARGET CLI11::CLI11)
    message(FATAL_ERROR "strata_add_predict: CLI11 is missing (libcli11-dev)")
  endif()
  # In strata's sources, or installed.
  find_file(STRATA_PREDICT_HEADER predict.hpp NO_DEFAULT_PATH NO_CACHE
    PATHS ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../examples/predict ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../../strata/predict)
  if(NOT STRATA_PREDICT_HEADER)
    message(FATAL_ERROR "strata_add_predict: this copy of strata has no examples/predict/predict.hpp")
  endif()
  get_filename_component(path "${header}" ABSOLUTE)
  set(name "${arg_NAME}")
  if(NOT name)
    get_filename_component(name "${path}" NAME_WLE)
  endif()
  if(NOT name MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")
    message(FATAL_ERROR "strata_add_predict: \"${name}\" cannot be the name of a namespace; give that of ${path} with NAME")
  endif()
  set(include "")
  set(weights "")
  if(arg_WEIGHTS)
    get_filename_component(file "${arg_WEIGHTS}" NAME)
    set(include "#include <embedded/${name}.hpp>\n")
    set(weights ", {embedded::${name}(), \"${file}\"}")
  endif()
  set(main ${CMAKE_CURRENT_BINARY_DIR}/strata_predict/${target}.cpp)
  file(CONFIGURE OUTPUT ${main} @ONLY CONTENT [=[
// Made by strata_add_predict().
#include "@STRATA_PREDICT_HEADER@"
#include "@path@"
@include@
int main(int argc, char** argv) { return predict_main<@name@::Net>(argc, argv, "@target@"@weights@); }
]=])
  set_source_files_properties(${main} PROPERTIES OBJECT_DEPENDS "${path}")
  add_executable(${target} ${main})
  target_link_libraries(${target} PRIVATE strata::images CLI11::CLI11)
  if(TARGET strata::compiled)
    target_link_libraries(${target} PRIVATE strata::compiled)
  endif()
  if(arg_WEIGHTS)
    strata_embed_file(${target} "${arg_WEIGHTS}" NAME ${name})
  endif()
endfunction()
