# Finds MuJoCo: Debian's libmujoco-dev, or one given by -DMuJoCo_ROOT=<folder> or the variable MuJoCo_ROOT: an
# upstream release, or the folder mujoco/ of the unpacked Python wheel.
#
# Debian's own package configuration asks for development files that the package does not bring, so it
# is not used. Makes the imported target MuJoCo::MuJoCo and sets MuJoCo_VERSION.
find_path(MuJoCo_INCLUDE_DIR mujoco/mujoco.h)
if(NOT MuJoCo_LIBRARY)
  # the wheel has its library beside its modules, and under the name with the version alone
  foreach(_root "${MuJoCo_ROOT}" "$ENV{MuJoCo_ROOT}")
    file(GLOB _libraries "${_root}/libmujoco.so.*")
    if(_root AND _libraries)
      list(GET _libraries 0 _library)
      set(MuJoCo_LIBRARY ${_library} CACHE FILEPATH "MuJoCo")
      break()
    endif()
  endforeach()
endif()
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
