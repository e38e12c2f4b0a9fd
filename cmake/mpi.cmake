# Ranks of mpirun (host/tune/ranks.cpp): MBRL_MPI=auto takes an MPI library where there is one, on requires it,
# off builds without. The program starts without mpirun either way.
set(MBRL_MPI auto CACHE STRING "Spread learners over the processes of mpirun: auto, on or off")
set_property(CACHE MBRL_MPI PROPERTY STRINGS auto on off)

# alone with MPI and without: what else is in its folder has names of its own
set_source_files_properties(${PROJECT_SOURCE_DIR}/host/tune/ranks.cpp PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)

# a sanitizer would report what the library keeps
if(MBRL_MPI STREQUAL "off" OR (MBRL_MPI STREQUAL "auto" AND MBRL_SANITIZE))
  return()
endif()
set(MPI_CXX_SKIP_MPICXX ON)
find_package(MPI QUIET COMPONENTS CXX)
if(NOT MPI_CXX_FOUND)
  if(MBRL_MPI STREQUAL "on")
    message(FATAL_ERROR "MBRL_MPI=on needs an MPI library with its compiler wrapper: install libopenmpi-dev and "
      "openmpi-bin, or set MPI_CXX_COMPILER to the path of mpicxx.")
  endif()
  message(STATUS "no MPI found: mpirun spreads nothing (MBRL_MPI=on says what is missing)")
  return()
endif()
set_source_files_properties(${PROJECT_SOURCE_DIR}/host/tune/ranks.cpp PROPERTIES
  SKIP_PRECOMPILE_HEADERS ON COMPILE_DEFINITIONS MBRL_WITH_MPI
  INCLUDE_DIRECTORIES "${MPI_CXX_INCLUDE_DIRS}")
target_link_libraries(mbrl PRIVATE ${MPI_CXX_LIBRARIES})
