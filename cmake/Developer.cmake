# Targets for this repository's programs. They are not exported, so users get none of these flags.

# strata_warnings: the warnings for every source.
add_library(strata_warnings INTERFACE)
set(strata_warning_flags -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Werror)
target_compile_options(strata_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:${strata_warning_flags} -Wpedantic>)
# nvcc passes code with its own line directives to the host compiler, and -Wpedantic rejects them.
list(JOIN strata_warning_flags "," strata_warning_flags)
target_compile_options(strata_warnings INTERFACE
  $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-Xcompiler=${strata_warning_flags} -Werror=all-warnings>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  # GCC's flow analysis includes the sanitizers' branches and warns about paths that the program does not have.
  target_compile_options(strata_warnings INTERFACE -Wno-maybe-uninitialized)
endif()

# strata_developer_headers: the headers with every available component, and the warnings.
add_library(strata_developer_headers INTERFACE)
target_link_libraries(strata_developer_headers INTERFACE strata::strata strata_warnings)
foreach(component gzip download images tensorboard onnx)
  if(TARGET strata::${component})
    target_link_libraries(strata_developer_headers INTERFACE strata::${component})
  endif()
endforeach()

# strata_developer: the same with the compiled library, which programs build faster with.
add_library(strata_developer INTERFACE)
target_link_libraries(strata_developer INTERFACE strata_developer_headers strata::compiled)
# Options alone: the target strata_warnings is not exported.
target_compile_options(strata_compiled PRIVATE $<TARGET_PROPERTY:strata_warnings,INTERFACE_COMPILE_OPTIONS>)

# strata_missing_component(<variable> <source>): the first component that a source includes but this build lacks, or an empty
# string.
function(strata_missing_component variable source)
  set(${variable} "" PARENT_SCOPE)
  foreach(component gzip download images tensorboard onnx)
    set(names "(data|io)/${component}")
    if(component STREQUAL "images")  # and the headers that include it
      set(names "(data/images|data/image_folder|classifier)")
    endif()
    file(STRINGS "${source}" used REGEX "^ *#include *<strata/${names}\\.hpp>" LIMIT_COUNT 1)
    if(used AND NOT TARGET strata::${component})
      set(${variable} ${component} PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()
