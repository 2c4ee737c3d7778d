# Configures the projects in tests/consumer with packages that call themselves Eigen of different versions. CTest runs it with -P and
# sets COMPILER, GENERATOR, SOURCE_DIR, BUILD_DIR, VERSION.
include(CMakePackageConfigHelpers)
set(work ${BUILD_DIR}/eigen_versions)
file(REMOVE_RECURSE ${work})
execute_process(COMMAND ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${work}/prefix
  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)

# What the configuration must print.
foreach(case "3.3.9|needs Eigen 3.4 or newer" "3.4.0|takes Eigen 3.4.0" "5.0.1|takes Eigen 5.0.1")
  string(REGEX MATCH "^(.*)\\|(.*)$" case "${case}")
  set(eigen ${CMAKE_MATCH_1})
  set(expected "${CMAKE_MATCH_2}")
  set(package ${work}/eigen-${eigen})
  file(WRITE ${package}/Eigen3Config.cmake 
    "add_library(Eigen3::Eigen INTERFACE IMPORTED)\nmessage(STATUS \"takes Eigen ${eigen}\")\n")
  # As Eigen writes it.
  write_basic_package_version_file(${package}/Eigen3ConfigVersion.cmake
    VERSION ${eigen} COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
  foreach(consumer add_subdirectory find_package)
    execute_process(
      COMMAND ${CMAKE_COMMAND} -S ${SOURCE_DIR}/tests/consumer/${consumer} -B ${work}/${consumer}-${eigen} -G ${GENERATOR}
        -D CMAKE_CXX_COMPILER=${COMPILER} -D Eigen3_DIR=${package} -D STRATA_VERSION=${VERSION}
        -D STRATA_SOURCE_DIR=${SOURCE_DIR} -D CMAKE_PREFIX_PATH=${work}/prefix
      RESULT_VARIABLE rc OUTPUT_VARIABLE text ERROR_VARIABLE text)
    string(REGEX REPLACE "[ \n]+" " " text "${text}")
    if(NOT text MATCHES "${expected}")
      message(FATAL_ERROR "${consumer} does not say '${expected}':\n${text}")
    elseif(expected MATCHES "^takes" AND NOT rc EQUAL 0)
      message(FATAL_ERROR "${consumer} does not work with Eigen ${eigen}:\n${text}")
    elseif(expected MATCHES "^needs" AND rc EQUAL 0)
      message(FATAL_ERROR "${consumer} accepts Eigen ${eigen}")
    endif()
  endforeach()
endforeach()
