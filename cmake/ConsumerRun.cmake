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
elseif(CONSUMER STREQUAL "debian")
  # The package, unpacked.
  step("cpack" ${CMAKE_CPACK_COMMAND} -G DEB --config ${BUILD_DIR}/CPackConfig.cmake -B ${work}/package)
  file(GLOB package ${work}/package/*.deb)
  execute_process(COMMAND dpkg-deb --field ${package} Package Version Architecture Depends OUTPUT_VARIABLE fields
    COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND dpkg --print-architecture OUTPUT_VARIABLE architecture OUTPUT_STRIP_TRAILING_WHITESPACE
    COMMAND_ERROR_IS_FATAL ANY)
  if(NOT fields STREQUAL
     "Package: libstrata-dev\nVersion: ${VERSION}-1\nArchitecture: ${architecture}\nDepends: libeigen3-dev (>= 3.4)\n")
    message(FATAL_ERROR "the package has other fields:\n${fields}")
  endif()
  step("unpack" dpkg-deb --extract ${package} ${work}/root)
  find_program(LINTIAN lintian)
  if(LINTIAN)
    # This build is configured for another prefix than /usr, so that the library is in lib/ and not in a folder of the processor.
    step("lintian" ${LINTIAN} --allow-root --fail-on error,warning
         --suppress-tags pkg-config-unavailable-for-cross-compilation ${package})
  endif()
  foreach(file doc/libstrata-dev/copyright doc/libstrata-dev/changelog.gz strata/import_model/import_model.py)
    if(NOT EXISTS ${work}/root/usr/share/${file})
      message(FATAL_ERROR "the package has no /usr/share/${file}")
    endif()
  endforeach()
  set(where -D CMAKE_PREFIX_PATH=${work}/root/usr)
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
if(CONSUMER STREQUAL "find_package")
  find_program(PKG_CONFIG pkg-config)
  file(GLOB_RECURSE folders ${work}/prefix/*.pc)
  list(TRANSFORM folders REPLACE "/[^/]*$" "")
  list(JOIN folders ":" folders)
  set(ENV{PKG_CONFIG_PATH} "${folders}")
  foreach(package IN ITEMS strata strata-compiled)
    if(NOT PKG_CONFIG)
      message(STATUS "SKIPPED: pkg-config is not installed")
      break()
    endif()
    execute_process(COMMAND ${PKG_CONFIG} --print-errors --cflags --libs "${package} = ${VERSION}" OUTPUT_VARIABLE flags
      OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
    separate_arguments(flags UNIX_COMMAND "${flags}")
    step("compile with pkg-config ${package}" ${COMPILER} -std=c++20 ${SOURCE_DIR}/tests/consumer/main.cpp ${flags}
         -o ${work}/${package})
    step("run ${package}" ${work}/${package})
  endforeach()
  step("the user's compile-fail test" ${CMAKE_CTEST_COMMAND} --test-dir ${work}/build -R ^refused$ --output-on-failure --no-tests=error)
  execute_process(COMMAND ${CMAKE_CTEST_COMMAND} --test-dir ${work}/build -R ^accepted$ --output-on-failure RESULT_VARIABLE rc
    OUTPUT_VARIABLE text)
  if(rc EQUAL 0 OR NOT text MATCHES "the half that is meant to fail compiles")
    message(FATAL_ERROR "a network that is not refused passes a compile-fail test (${rc}):\n${text}")
  endif()
endif()
