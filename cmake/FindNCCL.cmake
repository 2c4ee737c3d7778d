# Finds NCCL: sets the target NCCL::nccl, and NCCL_INCLUDE_DIR, NCCL_LIBRARY, NCCL_VERSION. It looks in NCCL_ROOT (a variable of
# CMake or of the environment), in the CUDA toolkit, in the system's folders, and in pip's wheels nvidia-nccl-cu12 and
# nvidia-nccl-cu13, which come with PyTorch.
set(_nccl_hints ${CUDAToolkit_LIBRARY_ROOT} ${CUDAToolkit_TARGET_DIR} /usr/local/cuda)
foreach(_nccl_directory IN LISTS CUDAToolkit_INCLUDE_DIRS CUDAToolkit_LIBRARY_DIR)
  list(APPEND _nccl_hints ${_nccl_directory}/..)
endforeach()

# A wheel is <site-packages>/nvidia/nccl/{include,lib} in the active environment, the user's folder or the system.
set(_nccl_wheels "")
foreach(_nccl_prefix IN ITEMS $ENV{VIRTUAL_ENV} $ENV{CONDA_PREFIX} $ENV{HOME}/.local /usr/local /usr)
  file(GLOB _nccl_found ${_nccl_prefix}/lib/python3*/site-packages/nvidia/nccl
    ${_nccl_prefix}/lib/python3*/dist-packages/nvidia/nccl)
  list(APPEND _nccl_wheels ${_nccl_found})
endforeach()

# CMake itself searches NCCL_ROOT first.
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${_nccl_hints} PATHS ${_nccl_wheels} PATH_SUFFIXES include)
# Header and library must have the same version, so search beside the header first. A wheel has no libnccl.so.
if(NCCL_INCLUDE_DIR)
  find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 NAMES_PER_DIR
    HINTS ${NCCL_INCLUDE_DIR}/.. ${_nccl_hints} PATHS ${_nccl_wheels} PATH_SUFFIXES lib lib64)
endif()

set(NCCL_VERSION "")
if(NCCL_INCLUDE_DIR)
  file(STRINGS ${NCCL_INCLUDE_DIR}/nccl.h _nccl_defines REGEX "^#define NCCL_(MAJOR|MINOR|PATCH) [0-9]+")
  set(_nccl_numbers "")
  foreach(_nccl_part MAJOR MINOR PATCH)
    if("${_nccl_defines}" MATCHES "NCCL_${_nccl_part} ([0-9]+)")
      list(APPEND _nccl_numbers ${CMAKE_MATCH_1})
    endif()
  endforeach()
  list(JOIN _nccl_numbers "." NCCL_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL REQUIRED_VARS NCCL_LIBRARY NCCL_INCLUDE_DIR VERSION_VAR NCCL_VERSION)
mark_as_advanced(NCCL_INCLUDE_DIR NCCL_LIBRARY)

if(NCCL_FOUND AND NOT TARGET NCCL::nccl)
  add_library(NCCL::nccl UNKNOWN IMPORTED)
  set_target_properties(NCCL::nccl PROPERTIES IMPORTED_LOCATION "${NCCL_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${NCCL_INCLUDE_DIR}")
endif()
foreach(_nccl_variable hints directory prefix wheels found defines numbers part)
  unset(_nccl_${_nccl_variable})
endforeach()
unset(_nccl_variable)
