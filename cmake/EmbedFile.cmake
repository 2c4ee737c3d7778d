# strata_embed_file(<target> <file> [NAME <name>]): puts a file, such as weights, into a target of this folder. Its sources then have
#     #include <embedded/NAME.hpp>
#     std::span<const std::byte> bytes = embedded::NAME();
# NAME is the name of the file without its last extension, as an identifier. When the file changes, the next build embeds it again.
# The assembler copies the bytes, so that large files compile fast. The function is for the sources of this target alone.
function(strata_embed_file target file)
  cmake_parse_arguments(PARSE_ARGV 2 arg "" "NAME" "")
  if(NOT TARGET "${target}")
    message(FATAL_ERROR "strata_embed_file: there is no target \"${target}\"")
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "strata_embed_file: unknown arguments: ${arg_UNPARSED_ARGUMENTS}; expected <target> <file> [NAME <name>]")
  endif()
  get_filename_component(path "${file}" ABSOLUTE)
  if(IS_DIRECTORY "${path}")
    message(FATAL_ERROR "strata_embed_file: ${path} is a folder; expected a file")
  endif()
  set(name "${arg_NAME}")
  if(NOT name)
    get_filename_component(name "${path}" NAME_WLE)
    string(MAKE_C_IDENTIFIER "${name}" name)
  endif()
  if(NOT name MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")
    message(FATAL_ERROR "strata_embed_file: the name \"${name}\" of ${path} is not an identifier; give another with NAME")
  endif()
  get_target_property(known ${target} STRATA_EMBEDDED)
  if(name IN_LIST known)
    message(FATAL_ERROR "strata_embed_file: ${target} has a file of the name ${name} already; give ${path} another with NAME")
  endif()
  set_property(TARGET ${target} APPEND PROPERTY STRATA_EMBEDDED ${name})

  set(folder ${CMAKE_CURRENT_BINARY_DIR}/strata_embedded/${target})
  set(symbol strata_embedded_${name})
  set(section ".pushsection .rodata")
  set(leave .popsection)
  set(hide .hidden)
  set(hidden " __attribute__((visibility(\"hidden\")))")
  if(WIN32)  # an object file of Windows knows no .pushsection, and hides what is not exported
    set(section ".section .rdata,\\\"dr\\\"")
    set(leave .text)
    set(hide "#")  # a comment
    set(hidden "")
  endif()
  file(CONFIGURE OUTPUT ${folder}/embedded/${name}.hpp @ONLY CONTENT [=[
// Made by strata_embed_file().
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

extern "C" {
extern const std::byte @symbol@[]@hidden@;
extern const std::uint64_t @symbol@_size@hidden@;
}
namespace embedded {
inline std::span<const std::byte> @name@() { return {@symbol@, static_cast<std::size_t>(@symbol@_size)}; }
}  // namespace embedded
]=])
  # The path is in a string of the assembler, within a string of C++.
  string(REPLACE "\"" "\\\\\\\"" quoted "${path}")
  file(CONFIGURE OUTPUT ${folder}/${name}.cpp @ONLY CONTENT [=[
// Made by strata_embed_file().
__asm__(
    "@section@\n"
    ".balign 64\n"
    ".globl @symbol@\n@hide@ @symbol@\n"
    "@symbol@:\n"
    ".incbin \"@quoted@\"\n"
    "1:\n"
    ".balign 8\n"
    ".globl @symbol@_size\n@hide@ @symbol@_size\n"
    "@symbol@_size:\n"
    ".quad 1b - @symbol@\n"
    "@leave@\n");
]=])
  set_source_files_properties(${folder}/${name}.cpp PROPERTIES OBJECT_DEPENDS "${path}")
  target_sources(${target} PRIVATE ${folder}/${name}.cpp)
  target_include_directories(${target} PRIVATE ${folder})
endfunction()
