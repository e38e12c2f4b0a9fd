# Writes mbrl_version.h when the version or the commit changed. Run as a script at every build:
#   cmake -DSOURCE_DIR=... -DVERSION=... -DOUTPUT=... -P write_version.cmake
set(commit "unknown")
# git fills this in when it makes an archive
file(STRINGS ${SOURCE_DIR}/cmake/archive_commit.txt archived LIMIT_COUNT 1)
find_program(GIT git)
if(NOT archived MATCHES "Format")
  set(commit "${archived}")
elseif(GIT AND EXISTS ${SOURCE_DIR}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE_DIR} describe --always --dirty --abbrev=7 --exclude=*
    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed)
    set(commit "${described}")
  endif()
endif()
set(text "#define MBRL_VERSION \"${VERSION}\"\n#define MBRL_GIT_COMMIT \"${commit}\"\n")

# keep the file's time if nothing changed, so that nothing is rebuilt
set(before "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT before STREQUAL text)
  file(WRITE ${OUTPUT} "${text}")
endif()
