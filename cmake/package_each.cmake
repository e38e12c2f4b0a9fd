# Included by CPack before each package, with its kind in CPACK_GENERATOR.
if(CPACK_GENERATOR STREQUAL "TGZ")
  # unpacked anywhere, with its libraries; those of a .deb are packages that it depends on
  set(CPACK_PACKAGING_INSTALL_PREFIX "/${CPACK_PACKAGE_FILE_NAME}")
  list(APPEND CPACK_COMPONENTS_ALL libraries licenses)
  list(REMOVE_DUPLICATES CPACK_COMPONENTS_ALL)
endif()
