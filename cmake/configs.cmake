# What the config code learns at build time: where the source tree's configs lie, version and commit.
# Included after the library `mbrl` exists.
set_source_files_properties(host/config/version.cpp PROPERTIES COMPILE_DEFINITIONS
  "MBRL_CONFIG_DIR=\"${PROJECT_SOURCE_DIR}/configs\"")
set_source_files_properties(envs/process/child.cpp PROPERTIES COMPILE_DEFINITIONS
  "MBRL_PYTHON_DIR=\"${PROJECT_SOURCE_DIR}/python\"")

add_custom_target(mbrl_version
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
    -DOUTPUT=${PROJECT_BINARY_DIR}/generated/mbrl_version.h
    -P ${CMAKE_CURRENT_LIST_DIR}/write_version.cmake
  BYPRODUCTS ${PROJECT_BINARY_DIR}/generated/mbrl_version.h
  COMMENT "Reading the git commit" VERBATIM)
add_dependencies(mbrl mbrl_version)
target_include_directories(mbrl PRIVATE ${PROJECT_BINARY_DIR}/generated)
