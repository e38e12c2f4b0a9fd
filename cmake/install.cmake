# Installed: the program and its configs and models, found relative to the executable at run time.
include(GNUInstallDirs)
install(TARGETS mbrl_gpu RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/mbrl_gpu FILES_MATCHING PATTERN "*.json")
install(DIRECTORY profiling/peers DESTINATION ${CMAKE_INSTALL_DATADIR}/mbrl_gpu FILES_MATCHING PATTERN "*.py")
install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
