# What FindCUDNN.cmake and FindNCCL.cmake have in common.
#
# strata_find_nvidia_library(<NAME> WHEEL <folder> HEADER <file> LIBRARY <name>... VERSION <part>...): searches in <NAME>_ROOT (a
# variable of CMake or of the environment), in the CUDA toolkit, in the system's folders, and in pip's wheels, which come with
# PyTorch. Sets <NAME>_INCLUDE_DIR and <NAME>_LIBRARY, which are cached, and <NAME>_VERSION from the macros <NAME>_<part> of
# the header.
function(strata_find_nvidia_library name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "WHEEL;HEADER" "LIBRARY;VERSION")
  set(hints ${CUDAToolkit_LIBRARY_ROOT} ${CUDAToolkit_TARGET_DIR} /usr/local/cuda)
  foreach(directory IN LISTS CUDAToolkit_INCLUDE_DIRS CUDAToolkit_LIBRARY_DIR)
    list(APPEND hints ${directory}/..)
  endforeach()
  # A wheel is <site-packages>/nvidia/<folder>/{include,lib} in the active environment, the user's folder or the system.
  set(wheels "")
  foreach(prefix IN ITEMS $ENV{VIRTUAL_ENV} $ENV{CONDA_PREFIX} $ENV{HOME}/.local /usr/local /usr)
    file(GLOB found ${prefix}/lib/python3*/site-packages/nvidia/${arg_WHEEL} ${prefix}/lib/python3*/dist-packages/nvidia/${arg_WHEEL})
    list(APPEND wheels ${found})
  endforeach()

  # CMake itself searches <NAME>_ROOT first.
  find_path(${name}_INCLUDE_DIR ${arg_HEADER} HINTS ${hints} PATHS ${wheels} PATH_SUFFIXES include)
  set(include ${${name}_INCLUDE_DIR})
  set(version "")
  if(include)
    # Header and library must have the same version, so search beside the header first. A wheel has no .so without a number.
    find_library(${name}_LIBRARY NAMES ${arg_LIBRARY} NAMES_PER_DIR
      HINTS ${include}/.. ${hints} PATHS ${wheels} PATH_SUFFIXES lib lib64 lib/x64)
    foreach(part IN LISTS arg_VERSION)
      file(STRINGS ${include}/${arg_HEADER} define REGEX "^#define ${name}_${part} [0-9]+" LIMIT_COUNT 1)
      if(define MATCHES " ([0-9]+)")
        list(APPEND version ${CMAKE_MATCH_1})
      endif()
    endforeach()
    list(JOIN version "." version)
  endif()
  set(${name}_VERSION "${version}" PARENT_SCOPE)
  mark_as_advanced(${name}_INCLUDE_DIR ${name}_LIBRARY)
endfunction()

# strata_import_nvidia_library(<NAME> <target>): the target, if the library was found.
function(strata_import_nvidia_library name target)
  if(${name}_FOUND AND NOT TARGET ${target})
    add_library(${target} UNKNOWN IMPORTED)
    set_target_properties(${target} PROPERTIES IMPORTED_LOCATION "${${name}_LIBRARY}"
      INTERFACE_INCLUDE_DIRECTORIES "${${name}_INCLUDE_DIR}")
  endif()
endfunction()
