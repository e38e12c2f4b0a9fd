# Installs the libraries that `program` is linked with to where its RPATH looks, lib/mbrl_gpu; all but those of the
# C library, which belong to a system.
execute_process(COMMAND ldd ${program} OUTPUT_VARIABLE libraries COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" libraries "${libraries}")
list(FILTER libraries EXCLUDE REGEX "(libc|libm|libdl|libpthread|librt|libresolv|libutil|ld-linux[^ ]*)\\.so")
foreach(line IN LISTS libraries)
  if(line MATCHES "not found")
    message(FATAL_ERROR "a library of the program is not here: ${line}")
  elseif(line MATCHES "=> ([^ ]+)")
    file(INSTALL ${CMAKE_MATCH_1} DESTINATION ${CMAKE_INSTALL_PREFIX}/lib/mbrl_gpu TYPE SHARED_LIBRARY FOLLOW_SYMLINK_CHAIN)
  endif()
endforeach()
