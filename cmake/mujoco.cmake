# Which MuJoCo the program is built with: one that is given (MuJoCo_ROOT; a folder of CMAKE_PREFIX_PATH that has one),
# else the one that tools/mujoco fetches, else the system's. A build folder keeps what it was configured with.
option(MBRL_FETCH_MUJOCO "Fetch the default MuJoCo where none is given; OFF: the system's" ${PROJECT_IS_TOP_LEVEL})

execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/mujoco --version OUTPUT_VARIABLE MBRL_MUJOCO_VERSION
  OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
if(MuJoCo_LIBRARY AND NOT EXISTS ${MuJoCo_LIBRARY})  # deleted since
  unset(MuJoCo_LIBRARY CACHE)
  unset(MuJoCo_INCLUDE_DIR CACHE)
endif()
if(NOT MuJoCo_ROOT AND NOT DEFINED ENV{MuJoCo_ROOT})
  set(given "${MuJoCo_LIBRARY}")
  if(NOT given)
    find_library(given mujoco NO_CMAKE_SYSTEM_PATH NO_SYSTEM_ENVIRONMENT_PATH NO_CACHE)
  endif()
  if(NOT given AND MBRL_FETCH_MUJOCO)
    execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/mujoco OUTPUT_VARIABLE MuJoCo_ROOT ERROR_VARIABLE why
      OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_STRIP_TRAILING_WHITESPACE)
    if(NOT MuJoCo_ROOT)
      message(STATUS "${why} The system's is taken.")
    endif()
  endif()
endif()
find_package(MuJoCo REQUIRED)
if(NOT MuJoCo_VERSION STREQUAL MBRL_MUJOCO_VERSION)
  message(STATUS "MuJoCo ${MuJoCo_VERSION}; the default is ${MBRL_MUJOCO_VERSION}, which a new build folder gets")
endif()

# A release, which needs no library but the system's, goes where the program is installed and packed; a library of the
# system or of another manager of packages stays where it is. Licenses lie beside it, or where Debian has them.
cmake_path(GET MuJoCo_LIBRARY PARENT_PATH place)
set(MBRL_CARRIES_MUJOCO FALSE)
if(NOT place IN_LIST CMAKE_CXX_IMPLICIT_LINK_DIRECTORIES AND NOT place MATCHES "^(/usr)?/lib(64)?(/|$)")
  execute_process(COMMAND ldd ${MuJoCo_LIBRARY} OUTPUT_VARIABLE needs ERROR_QUIET)
  string(REGEX MATCHALL "=> [^\n]+" needs "${needs}")
  list(FILTER needs EXCLUDE REGEX "=> (/usr)?/lib(64)?/")
  if(needs STREQUAL "")
    set(MBRL_CARRIES_MUJOCO TRUE)
  endif()
endif()
if(MBRL_CARRIES_MUJOCO)
  file(GLOB MBRL_MUJOCO_LICENSES ${place}/LICENSE* ${place}/../LICENSE* ${place}/../THIRD_PARTY_NOTICES
    ${place}/../mujoco*.dist-info/licenses/LICENSE*)
else()
  file(GLOB MBRL_MUJOCO_LICENSES /usr/share/doc/libmujoco${MuJoCo_VERSION}/copyright)
endif()

# mujoco_readers(OUT FILE...): of these files those whose includes lead to MuJoCo's headers, which are compiled once
# for each MuJoCo
function(mujoco_readers out)
  file(GLOB_RECURSE headers RELATIVE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/envs/*.h ${PROJECT_SOURCE_DIR}/host/*.h
    ${PROJECT_SOURCE_DIR}/tests/*.h)
  set(pattern "<mujoco/mujoco.h>")
  set(grows TRUE)
  while(grows)
    set(grows FALSE)
    foreach(header IN LISTS headers)
      file(STRINGS ${PROJECT_SOURCE_DIR}/${header} line REGEX "^#include (${pattern})" LIMIT_COUNT 1)
      if(line)
        string(APPEND pattern "|\"${header}\"")
        list(REMOVE_ITEM headers ${header})
        set(grows TRUE)
      endif()
    endforeach()
  endwhile()
  set(found "")
  foreach(file IN LISTS ARGN)
    file(STRINGS ${file} line REGEX "^#include (${pattern})" LIMIT_COUNT 1)
    if(line)
      list(APPEND found ${file})
    endif()
  endforeach()
  set(${out} ${found} PARENT_SCOPE)
endfunction()
