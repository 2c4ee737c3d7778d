# Finds NCCL: sets the target NCCL::nccl, and NCCL_INCLUDE_DIR, NCCL_LIBRARY, NCCL_VERSION. NvidiaLibrary.cmake says where it
# looks; pip's wheels are nvidia-nccl-cu12 and nvidia-nccl-cu13.
include(${CMAKE_CURRENT_LIST_DIR}/NvidiaLibrary.cmake)
strata_find_nvidia_library(NCCL WHEEL nccl HEADER nccl.h LIBRARY nccl libnccl.so.2 VERSION MAJOR MINOR PATCH)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL REQUIRED_VARS NCCL_LIBRARY NCCL_INCLUDE_DIR VERSION_VAR NCCL_VERSION)
strata_import_nvidia_library(NCCL NCCL::nccl)
