# `cpack` makes a Debian package, libstrata-dev: headers, CMake and pkg-config files, the importer, and libstrata.a.
# One package of the processor's architecture, because strata::strata and strata::compiled then come from one command and cannot
# have different versions. Without libstrata.a (STRATA_BUILD_COMPILED=OFF) nothing in it depends on a processor, and the
# architecture is `all`. The preset `deb` configures for /usr, builds and packs.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME libstrata-dev)
set(CPACK_PACKAGE_VENDOR "the strata authors")
set(CPACK_PACKAGE_CONTACT "The strata authors <strata@strata.invalid>" CACHE STRING "Maintainer of the Debian package")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES OFF)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
  WORLD_EXECUTE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "libeigen3-dev (>= 3.4)")
# The components; and what strata_add_predict() and strata_add_model() need.
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "cmake, pkg-config, zlib1g-dev, libpng-dev, libjpeg-dev, libcurl4-openssl-dev, libssl-dev, \
libprotobuf-dev, protobuf-compiler, libopenmpi-dev, libcli11-dev, python3")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "neural networks as C++ types")
set(library ",\nand a static library with which programs compile faster")
if(NOT STRATA_BUILD_COMPILED)
  set(library "")
  set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE all)
endif()
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION "strata is a C++20 library in which a neural network is a type. The compiler
checks the shapes of every layer and reports a mistake as one short error. The
same type trains on the CPU or on an NVIDIA GPU.
.
This package holds the headers, files for CMake and pkg-config, a program that
makes C++ types of ONNX and Keras models${library}.")
# These add what Debian wants beside the installed files, before they are packed.
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/packaging/debian/files.cmake)
set(CPACK_STRATA_SOURCE_DIR ${PROJECT_SOURCE_DIR})
set(CPACK_STRATA_LIBRARY "")
if(STRATA_BUILD_COMPILED)
  set(CPACK_STRATA_LIBRARY ${compiled_library})
endif()
include(CPack)
