# Packages of the program: a .deb for the Debian release that builds it, and a .tar.gz that brings its libraries
# and starts on any Linux with a C library as new. tools/package makes both; docs/install.md says more.
set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_PACKAGE_NAME mbrl-gpu)
set(CPACK_PACKAGE_CONTACT "the authors of mbrl_gpu")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "model-based reinforcement learning at the speed of the hardware")
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_FILE_NAME "mbrl-gpu-${PROJECT_VERSION}-${CMAKE_SYSTEM_NAME}-${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
# the library and its headers are for who builds from source
set(CPACK_COMPONENTS_ALL program)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# CPack reads this once per kind of package
set(CPACK_PROJECT_CONFIG_FILE ${CMAKE_CURRENT_LIST_DIR}/package_each.cmake)
install(CODE "set(program \"$<TARGET_FILE:mbrl_gpu>\")" COMPONENT libraries EXCLUDE_FROM_ALL)
install(SCRIPT ${CMAKE_CURRENT_LIST_DIR}/bundle_libraries.cmake COMPONENT libraries EXCLUDE_FROM_ALL)
include(CPack)
