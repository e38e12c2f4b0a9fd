# Finds the double-precision build of Bullet: Debian's libbullet-dev, or -DBulletDouble_ROOT=<folder>.
#
# CMake's own FindBullet picks the single-precision libraries. Both builds share their headers, which read
# BT_USE_DOUBLE_PRECISION; a program that mixes them links and computes nonsense. So the libraries are
# found by the suffix of the double build, or without it where the BulletConfig.cmake beside them says that they
# are of double precision; the definition travels with the imported target.
# Makes the target BulletDouble::BulletDouble and sets BulletDouble_VERSION.
find_path(BulletDouble_INCLUDE_DIR btBulletDynamicsCommon.h PATH_SUFFIXES bullet)
set(_bullet_libraries "")
set(_suffixes -float64)
find_file(BulletDouble_CONFIG BulletConfig.cmake PATH_SUFFIXES lib/cmake/bullet lib64/cmake/bullet)
if(BulletDouble_CONFIG)
  file(STRINGS ${BulletDouble_CONFIG} _line REGEX "BULLET_DEFINITIONS.*BT_USE_DOUBLE_PRECISION")
  if(_line)
    list(APPEND _suffixes "")
  endif()
endif()
foreach(_suffix IN LISTS _suffixes)
  foreach(_name Dynamics Collision)
    find_library(BulletDouble_${_name}_LIBRARY Bullet${_name}${_suffix})
  endforeach()
  find_library(BulletDouble_LinearMath_LIBRARY LinearMath${_suffix})
endforeach()
foreach(_name Dynamics Collision)
  list(APPEND _bullet_libraries BulletDouble_${_name}_LIBRARY)
endforeach()
list(APPEND _bullet_libraries BulletDouble_LinearMath_LIBRARY)

if(BulletDouble_INCLUDE_DIR)
  file(STRINGS ${BulletDouble_INCLUDE_DIR}/LinearMath/btScalar.h _line REGEX "#define BT_BULLET_VERSION")
  string(REGEX REPLACE "[^0-9]*([0-9])([0-9]+).*" "\\1.\\2" BulletDouble_VERSION "${_line}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(BulletDouble
  REQUIRED_VARS ${_bullet_libraries} BulletDouble_INCLUDE_DIR VERSION_VAR BulletDouble_VERSION)

if(BulletDouble_FOUND AND NOT TARGET BulletDouble::BulletDouble)
  add_library(BulletDouble::BulletDouble INTERFACE IMPORTED)
  set(_files "")
  foreach(_library ${_bullet_libraries})
    list(APPEND _files ${${_library}})
  endforeach()
  set_target_properties(BulletDouble::BulletDouble PROPERTIES
    INTERFACE_COMPILE_DEFINITIONS BT_USE_DOUBLE_PRECISION
    INTERFACE_INCLUDE_DIRECTORIES ${BulletDouble_INCLUDE_DIR}
    INTERFACE_LINK_LIBRARIES "${_files}")
endif()
mark_as_advanced(BulletDouble_CONFIG BulletDouble_INCLUDE_DIR ${_bullet_libraries})
