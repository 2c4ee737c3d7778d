# Finds cuDNN: sets the target CUDNN::cudnn, and CUDNN_INCLUDE_DIR, CUDNN_LIBRARY, CUDNN_VERSION. It looks in CUDNN_ROOT (a
# variable of CMake or of the environment), in the CUDA toolkit, in the system's folders, and in pip's wheels nvidia-cudnn-cu12
# and nvidia-cudnn-cu13, which come with PyTorch.
set(_cudnn_hints ${CUDAToolkit_LIBRARY_ROOT} ${CUDAToolkit_TARGET_DIR} /usr/local/cuda)
foreach(_cudnn_directory IN LISTS CUDAToolkit_INCLUDE_DIRS CUDAToolkit_LIBRARY_DIR)
  list(APPEND _cudnn_hints ${_cudnn_directory}/..)
endforeach()

# A wheel is <site-packages>/nvidia/cudnn/{include,lib} in the active environment, the user's folder or the system.
set(_cudnn_prefixes $ENV{VIRTUAL_ENV} $ENV{CONDA_PREFIX} $ENV{HOME}/.local /usr/local /usr)
set(_cudnn_wheels "")
foreach(_cudnn_prefix IN LISTS _cudnn_prefixes)
  file(GLOB _cudnn_found ${_cudnn_prefix}/lib/python3*/site-packages/nvidia/cudnn
    ${_cudnn_prefix}/lib/python3*/dist-packages/nvidia/cudnn)
  list(APPEND _cudnn_wheels ${_cudnn_found})
endforeach()

# CMake itself searches CUDNN_ROOT first.
find_path(CUDNN_INCLUDE_DIR cudnn_version.h HINTS ${_cudnn_hints} PATHS ${_cudnn_wheels} PATH_SUFFIXES include)
# Header and library must have the same version, so search beside the header first. A wheel has no libcudnn.so.
if(CUDNN_INCLUDE_DIR)
  find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 NAMES_PER_DIR
    HINTS ${CUDNN_INCLUDE_DIR}/.. ${_cudnn_hints} PATHS ${_cudnn_wheels} PATH_SUFFIXES lib lib64 lib/x64)
endif()

set(CUDNN_VERSION "")
if(CUDNN_INCLUDE_DIR)
  file(STRINGS ${CUDNN_INCLUDE_DIR}/cudnn_version.h _cudnn_defines REGEX "^#define CUDNN_(MAJOR|MINOR|PATCHLEVEL) [0-9]+")
  set(_cudnn_numbers "")
  foreach(_cudnn_part MAJOR MINOR PATCHLEVEL)
    if("${_cudnn_defines}" MATCHES "CUDNN_${_cudnn_part} ([0-9]+)")
      list(APPEND _cudnn_numbers ${CMAKE_MATCH_1})
    endif()
  endforeach()
  list(JOIN _cudnn_numbers "." CUDNN_VERSION)
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDNN REQUIRED_VARS CUDNN_LIBRARY CUDNN_INCLUDE_DIR VERSION_VAR CUDNN_VERSION)
mark_as_advanced(CUDNN_INCLUDE_DIR CUDNN_LIBRARY)

if(CUDNN_FOUND AND NOT TARGET CUDNN::cudnn)
  add_library(CUDNN::cudnn UNKNOWN IMPORTED)
  set_target_properties(CUDNN::cudnn PROPERTIES IMPORTED_LOCATION "${CUDNN_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${CUDNN_INCLUDE_DIR}")
endif()
foreach(_cudnn_variable hints directory prefixes prefix wheels found defines numbers part)
  unset(_cudnn_${_cudnn_variable})
endforeach()
unset(_cudnn_variable)
