# Finds MuJoCo: Debian's libmujoco-dev, or an upstream release given by -DMuJoCo_ROOT=<folder>.
#
# Debian's own package configuration asks for development files that the package does not bring, so it
# is not used. Makes the imported target MuJoCo::MuJoCo and sets MuJoCo_VERSION.
find_path(MuJoCo_INCLUDE_DIR mujoco/mujoco.h)
find_library(MuJoCo_LIBRARY mujoco)

if(MuJoCo_INCLUDE_DIR)
  file(STRINGS ${MuJoCo_INCLUDE_DIR}/mujoco/mujoco.h _line REGEX "#define mjVERSION_HEADER")
  if(NOT _line AND EXISTS ${MuJoCo_INCLUDE_DIR}/mujoco/mjmodel.h)
    file(STRINGS ${MuJoCo_INCLUDE_DIR}/mujoco/mjmodel.h _line REGEX "#define mjVERSION_HEADER")
  endif()
  string(REGEX MATCH "[0-9]+" MuJoCo_VERSION "${_line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(MuJoCo REQUIRED_VARS MuJoCo_LIBRARY MuJoCo_INCLUDE_DIR
  VERSION_VAR MuJoCo_VERSION)

if(MuJoCo_FOUND AND NOT TARGET MuJoCo::MuJoCo)
  add_library(MuJoCo::MuJoCo UNKNOWN IMPORTED)
  set_target_properties(MuJoCo::MuJoCo PROPERTIES
    IMPORTED_LOCATION ${MuJoCo_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${MuJoCo_INCLUDE_DIR})
endif()
mark_as_advanced(MuJoCo_INCLUDE_DIR MuJoCo_LIBRARY)
