# Finds cuDNN: sets the target CUDNN::cudnn, and CUDNN_INCLUDE_DIR, CUDNN_LIBRARY, CUDNN_VERSION. NvidiaLibrary.cmake says where
# it looks; pip's wheels are nvidia-cudnn-cu12 and nvidia-cudnn-cu13.
include(${CMAKE_CURRENT_LIST_DIR}/NvidiaLibrary.cmake)
strata_find_nvidia_library(CUDNN WHEEL cudnn HEADER cudnn_version.h LIBRARY cudnn libcudnn.so.9 VERSION MAJOR MINOR PATCHLEVEL)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDNN REQUIRED_VARS CUDNN_LIBRARY CUDNN_INCLUDE_DIR VERSION_VAR CUDNN_VERSION)
strata_import_nvidia_library(CUDNN CUDNN::cudnn)
