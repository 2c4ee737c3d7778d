vcpkg_from_github(
  OUT_SOURCE_PATH SOURCE_PATH
  REPO strata-nn/strata
  REF "v${VERSION}"
  SHA512 0  # of the release's archive: vcpkg prints it when this one does not match
)
set(VCPKG_BUILD_TYPE release)  # headers only

vcpkg_check_features(OUT_FEATURE_OPTIONS options
  INVERTED_FEATURES
    gzip CMAKE_DISABLE_FIND_PACKAGE_ZLIB
    images CMAKE_DISABLE_FIND_PACKAGE_PNG
    images CMAKE_DISABLE_FIND_PACKAGE_JPEG
    download CMAKE_DISABLE_FIND_PACKAGE_CURL
)
vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DSTRATA_BUILD_TESTS=OFF
    -DSTRATA_BUILD_EXAMPLES=OFF
    -DSTRATA_BUILD_BENCH=OFF
    -DSTRATA_BUILD_COMPILED=OFF
    -DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON
    -DCMAKE_DISABLE_FIND_PACKAGE_MPI=ON
    -DCMAKE_DISABLE_FIND_PACKAGE_Protobuf=ON
    ${options}
)
vcpkg_cmake_install()
vcpkg_fixup_pkgconfig()

# strataConfig.cmake stays in share/cmake/strata, where CMake looks for it: it finds the headers, and the importer in share/strata,
# relative to itself.
set(VCPKG_POLICY_SKIP_MISPLACED_CMAKE_FILES_CHECK enabled)
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/share/doc" "${CURRENT_PACKAGES_DIR}/lib")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
