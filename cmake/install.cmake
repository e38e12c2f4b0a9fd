# Installed: the program, its configs, models and Python module, found relative to the executable at run time,
# completions of bash and zsh in the folders where these look, and the manual page. Further the library
# mbrl::core with its headers, for find_package(mbrl_gpu) (docs/library.md).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME program)
# where a package that brings its libraries has them, for the libraries among each other too
# where a copy of the built program may have them (tools/evidence)
set_target_properties(mbrl_gpu PROPERTIES INSTALL_RPATH "$ORIGIN/../lib/mbrl_gpu" BUILD_RPATH "$ORIGIN/../lib/mbrl_gpu")
target_link_options(mbrl_gpu PRIVATE LINKER:--disable-new-dtags)
install(TARGETS mbrl_gpu RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/mbrl_gpu FILES_MATCHING PATTERN "*.json" PATTERN "*.xml")
install(DIRECTORY profiling/peers DESTINATION ${CMAKE_INSTALL_DATADIR}/mbrl_gpu FILES_MATCHING PATTERN "*.py")
install(DIRECTORY python/mbrl_gpu DESTINATION ${CMAKE_INSTALL_DATADIR}/mbrl_gpu/python FILES_MATCHING PATTERN "*.py" PATTERN "py.typed")
if(MBRL_CARRIES_MUJOCO)
  file(REAL_PATH ${MuJoCo_LIBRARY} mujoco)
  install(PROGRAMS ${mujoco} DESTINATION lib/mbrl_gpu)
endif()
install(FILES ${MBRL_MUJOCO_LICENSES} DESTINATION ${CMAKE_INSTALL_DOCDIR}/mujoco COMPONENT licenses)
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
# written by the program itself when it was built (write_usage.sh)
set(usage ${PROJECT_BINARY_DIR}/generated/usage)
install(FILES ${usage}/mbrl_gpu DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions OPTIONAL)
install(FILES ${usage}/_mbrl_gpu DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions OPTIONAL)
install(FILES ${usage}/mbrl_gpu.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL)

# the library and its headers: the component development
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME development)
set(headers ${CMAKE_INSTALL_INCLUDEDIR}/mbrl_gpu)
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/mbrl_gpu)
foreach(folder base cuda envs host kernels profiling)
  install(DIRECTORY ${folder} DESTINATION ${headers} FILES_MATCHING PATTERN "*.h"
    PATTERN peers EXCLUDE PATTERN baseline EXCLUDE PATTERN gpu_check EXCLUDE)
endforeach()
target_include_directories(mbrl PUBLIC $<INSTALL_INTERFACE:${headers}>)
if(MBRL_CARRIES_MUJOCO)
  install(DIRECTORY ${MuJoCo_INCLUDE_DIR}/mujoco DESTINATION ${headers})
  cmake_path(GET mujoco FILENAME MBRL_MUJOCO_FILE)
endif()
install(TARGETS mbrl EXPORT mbrl_gpu ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(MBRL_WITH_CUDA)
  # kernels and runtime are objects: a program has a GPU by being linked with them
  set_target_properties(mbrl_cuda PROPERTIES EXPORT_NAME cuda)
  install(TARGETS mbrl_cuda EXPORT mbrl_gpu OBJECTS DESTINATION ${CMAKE_INSTALL_LIBDIR}/mbrl_gpu)
endif()
install(EXPORT mbrl_gpu FILE mbrl_gpuTargets.cmake NAMESPACE mbrl:: DESTINATION ${package})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/mbrl_gpuConfig.cmake.in
  ${PROJECT_BINARY_DIR}/generated/mbrl_gpuConfig.cmake INSTALL_DESTINATION ${package}
  PATH_VARS CMAKE_INSTALL_DATADIR headers)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/generated/mbrl_gpuConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/generated/mbrl_gpuConfig.cmake
  ${PROJECT_BINARY_DIR}/generated/mbrl_gpuConfigVersion.cmake cmake/FindMuJoCo.cmake cmake/FindOneDNN.cmake
  cmake/FindBulletDouble.cmake DESTINATION ${package})

include(cmake/package.cmake)
