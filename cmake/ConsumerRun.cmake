# Builds and runs tests/consumer/${CONSUMER} as a user would, without our flags, presets and cache. CTest runs it with -P and sets
# CONSUMER, COMPILER, GENERATOR, SOURCE_DIR, BUILD_DIR, VERSION.
set(work ${BUILD_DIR}/consumer/${CONSUMER})
file(REMOVE_RECURSE ${work})

function(step what)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE rc OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT rc EQUAL 0)
    message(FATAL_ERROR "${what} failed (${rc}):\n${text}")
  endif()
  message(STATUS "${what}: done")
endfunction()

set(where -D STRATA_SOURCE_DIR=${SOURCE_DIR})
if(CONSUMER STREQUAL "find_package")
  step("install" ${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${work}/prefix)
  set(where -D CMAKE_PREFIX_PATH=${work}/prefix)
  # An installed package that refers to the source tree would work only on this machine.
  file(GLOB_RECURSE package ${work}/prefix/*.cmake)
  foreach(file IN LISTS package)
    file(READ ${file} text)
    string(FIND "${text}" "${SOURCE_DIR}/" at)
    if(NOT at EQUAL -1)
      message(FATAL_ERROR "${file} refers to the source tree")
    endif()
  endforeach()
elseif(CONSUMER STREQUAL "headers")
  # Nothing is built before it is installed, as README.md says.
  step("configure strata" ${CMAKE_COMMAND} -S ${SOURCE_DIR} -B ${work}/unbuilt -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER}
       -D STRATA_BUILD_TESTS=OFF -D STRATA_BUILD_EXAMPLES=OFF -D STRATA_BUILD_BENCH=OFF)
  step("install" ${CMAKE_COMMAND} --install ${work}/unbuilt --prefix ${work}/prefix)
  set(where -D CMAKE_PREFIX_PATH=${work}/prefix)
elseif(CONSUMER STREQUAL "fetch_content")
  # An archive of the sources, as in a release, without build folders.
  file(MAKE_DIRECTORY ${work})
  execute_process(COMMAND ${CMAKE_COMMAND} -E tar cz ${work}/strata.tar.gz CMakeLists.txt LICENSE cmake include
    WORKING_DIRECTORY ${SOURCE_DIR} COMMAND_ERROR_IS_FATAL ANY)
  set(where -D STRATA_ARCHIVE=${work}/strata.tar.gz)
endif()
step("configure" ${CMAKE_COMMAND} -S ${SOURCE_DIR}/tests/consumer/${CONSUMER} -B ${work}/build -G ${GENERATOR}
     -D CMAKE_CXX_COMPILER=${COMPILER} -D STRATA_VERSION=${VERSION} ${where})
step("build" ${CMAKE_COMMAND} --build ${work}/build)
step("run" ${work}/build/consumer)
