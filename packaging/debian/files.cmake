# CPack runs this before it packs the files in CPACK_TEMPORARY_INSTALL_DIRECTORY. Debian wants the license as `copyright`, and two
# compressed changelogs: ours, and one in Debian's form.
set(root "${CPACK_TEMPORARY_INSTALL_DIRECTORY}")
set(usr "${root}${CPACK_PACKAGING_INSTALL_PREFIX}")
if(CPACK_STRATA_LIBRARY AND NOT EXISTS "${usr}/${CPACK_STRATA_LIBRARY}")
  message(FATAL_ERROR "libstrata.a is not built. Build the target strata_compiled before cpack, or configure with "
    "STRATA_BUILD_COMPILED=OFF for a package of headers")
endif()
set(doc "${usr}/share/doc/${CPACK_PACKAGE_NAME}")
file(REMOVE_RECURSE "${usr}/share/doc/strata")  # the license, which is in `copyright`
file(READ "${CPACK_STRATA_SOURCE_DIR}/LICENSE" license)
string(REGEX MATCH "Copyright \\(c\\) ([^\n]*)" found "${license}")
set(holder "${CMAKE_MATCH_1}")
string(REGEX MATCH "Permission is hereby granted.*" license "${license}")
string(STRIP "${license}" license)
string(REGEX REPLACE "\n\n" "\n.\n" license "${license}")
string(REGEX REPLACE "\n" "\n " license "${license}")
file(WRITE "${doc}/copyright" "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: strata

Files: *
Copyright: ${holder}
License: BSL-1.0
 ${license}
")
set(changes "${CPACK_STRATA_SOURCE_DIR}/CHANGELOG.md")
file(STRINGS "${changes}" released REGEX "^## \\[${CPACK_PACKAGE_VERSION}\\] - ")
string(REGEX MATCH "[0-9]+-[0-9]+-[0-9]+$" day "${released}")
find_program(date date REQUIRED)
execute_process(COMMAND ${date} -u -R -d "${day}" OUTPUT_VARIABLE day OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
configure_file("${changes}" "${doc}/changelog" COPYONLY)
file(WRITE "${doc}/changelog.Debian"
"${CPACK_PACKAGE_NAME} (${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE}) unstable; urgency=medium

  * New version, see changelog.gz.

 -- ${CPACK_PACKAGE_CONTACT}  ${day}
")
# It asks for the number of a report in Debian, but this package is not made for Debian's archive.
file(WRITE "${usr}/share/lintian/overrides/${CPACK_PACKAGE_NAME}"
  "${CPACK_PACKAGE_NAME}: initial-upload-closes-no-bugs [usr/share/doc/${CPACK_PACKAGE_NAME}/changelog.Debian.gz:1]\n")
find_program(gzip gzip REQUIRED)
execute_process(COMMAND ${gzip} -9n "${doc}/changelog" "${doc}/changelog.Debian" COMMAND_ERROR_IS_FATAL ANY)
foreach(file doc/${CPACK_PACKAGE_NAME}/copyright doc/${CPACK_PACKAGE_NAME}/changelog.gz
    doc/${CPACK_PACKAGE_NAME}/changelog.Debian.gz lintian/overrides/${CPACK_PACKAGE_NAME})
  file(CHMOD "${usr}/share/${file}" PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endforeach()
