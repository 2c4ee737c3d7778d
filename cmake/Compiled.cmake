# strata::compiled is a library of all functions that do not depend on the network. Its users get STRATA_COMPILED: the headers
# then declare these functions only, which spares every source their bodies. See include/strata/core/linkage.hpp.
file(GLOB_RECURSE strata_impl_headers CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/include
  ${PROJECT_SOURCE_DIR}/include/strata/*_impl.hpp)
list(FILTER strata_impl_headers EXCLUDE REGEX "^strata/backend/cuda/")
set(strata_compiled_sources "")
foreach(header IN LISTS strata_impl_headers)
  string(MAKE_C_IDENTIFIER ${header} name)
  file(CONFIGURE OUTPUT compiled/${name}.cpp CONTENT "#include <${header}>\n")
  list(APPEND strata_compiled_sources ${CMAKE_CURRENT_BINARY_DIR}/compiled/${name}.cpp)
endforeach()

add_library(strata_compiled STATIC ${strata_compiled_sources})
add_library(strata::compiled ALIAS strata_compiled)
target_compile_definitions(strata_compiled PUBLIC STRATA_COMPILED)
target_link_libraries(strata_compiled PUBLIC strata)
set_target_properties(strata_compiled PROPERTIES
  OUTPUT_NAME strata EXPORT_NAME compiled POSITION_INDEPENDENT_CODE ON)
option(STRATA_COMPILED_UNITY "Compile strata::compiled from a few large sources: less work, and less of it in parallel" OFF)
if(STRATA_COMPILED_UNITY)
  set_target_properties(strata_compiled PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12)
  # The longest ones run beside the others.
  set_source_files_properties(${CMAKE_CURRENT_BINARY_DIR}/compiled/strata_backend_cpu_ops_impl_hpp.cpp
    ${CMAKE_CURRENT_BINARY_DIR}/compiled/strata_backend_cpu_steps_impl_hpp.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endif()
if(NOT STRATA_BUILD_COMPILED)
  set_target_properties(strata_compiled PROPERTIES EXCLUDE_FROM_ALL ON)  # built if something links it
endif()
