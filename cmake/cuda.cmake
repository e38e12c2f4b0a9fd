# The GPU backend: kernels and runtime as objects that a program links to have a GPU.
#
# MBRL_CUDA=auto takes a CUDA toolkit where there is one, on requires it, off builds without. The
# architectures are CMAKE_CUDA_ARCHITECTURES, by default all that the toolkit and the kernels have in common.
set(MBRL_CUDA auto CACHE STRING "Build the GPU backend: auto, on or off")
set_property(CACHE MBRL_CUDA PROPERTY STRINGS auto on off)
set(MBRL_WITH_CUDA OFF)

# Wrappers of the libraries whose headers are found below, and what tests link in their place. The
# libraries are loaded at run time; a wrapper that is left out leaves its functions null.
set(MBRL_LIBRARY_WRAPPERS ${PROJECT_SOURCE_DIR}/kernels/gpu/libraries/library.cpp)
set(MBRL_LIBRARY_FAKES ${PROJECT_SOURCE_DIR}/tests/emulator/libraries/fakes.cpp)
set(MBRL_LIBRARY_INCLUDES)

if(MBRL_CUDA STREQUAL "off")
  return()
endif()

# the toolkit installs nvcc outside the PATH
if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  find_program(MBRL_NVCC nvcc PATHS /usr/local/cuda/bin)
  mark_as_advanced(MBRL_NVCC)
  if(MBRL_NVCC)
    set(CMAKE_CUDA_COMPILER ${MBRL_NVCC})
  endif()
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  if(MBRL_CUDA STREQUAL "on")
    message(FATAL_ERROR "MBRL_CUDA=on needs nvcc: install the CUDA toolkit (12 or 13), or set CUDACXX to "
      "its path. MBRL_CUDA=off builds for the CPU alone.")
  endif()
  message(STATUS "no CUDA toolkit found: building for the CPU alone (MBRL_CUDA=on says what is missing)")
  return()
endif()

if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 75 80 90)
  # toolkits from 13 on have no code for 7.0
  execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --version OUTPUT_VARIABLE nvcc_version)
  if(nvcc_version MATCHES "release ([0-9]+)" AND CMAKE_MATCH_1 LESS 13)
    list(PREPEND CMAKE_CUDA_ARCHITECTURES 70)
  endif()
endif()
# ptxas tells registers, spills and shared memory of every kernel; the launcher keeps what it says
set(CMAKE_CUDA_COMPILER_LAUNCHER ${PROJECT_SOURCE_DIR}/profiling/keep_ptxas_output)
enable_language(CUDA)
if("${CMAKE_CUDA_ARCHITECTURES_NATIVE}" MATCHES "^[0-9]" AND CMAKE_CUDA_ARCHITECTURES STREQUAL "native")
  set(CMAKE_CUDA_ARCHITECTURES ${CMAKE_CUDA_ARCHITECTURES_NATIVE})  # by number, such as 90-real
endif()
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know that nvcc 12 has C++20
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
find_package(CUDAToolkit REQUIRED)
set(MBRL_WITH_CUDA ON)

set(MBRL_LIBRARY_INCLUDES ${CUDAToolkit_INCLUDE_DIRS})
foreach(library IN ITEMS cublaslt:cublasLt.h cudnn:cudnn_graph.h)
  string(REPLACE ":" ";" library ${library})
  list(POP_FRONT library name header)
  find_path(MBRL_${name}_INCLUDE ${header} HINTS ${CUDAToolkit_INCLUDE_DIRS})
  mark_as_advanced(MBRL_${name}_INCLUDE)
  if(MBRL_${name}_INCLUDE)
    list(APPEND MBRL_LIBRARY_WRAPPERS ${PROJECT_SOURCE_DIR}/kernels/gpu/libraries/${name}.cpp)
    list(APPEND MBRL_LIBRARY_INCLUDES ${MBRL_${name}_INCLUDE})
    list(APPEND MBRL_LIBRARY_FAKES ${PROJECT_SOURCE_DIR}/tests/emulator/libraries/fake_${name}.cpp)
  else()
    message(STATUS "no ${header} found: building without device.gemm=${name}")
  endif()
endforeach()
list(REMOVE_DUPLICATES MBRL_LIBRARY_INCLUDES)

file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/cuda/*.cu ${PROJECT_SOURCE_DIR}/kernels/*.cu)
add_library(mbrl_cuda OBJECT ${cuda_sources} ${MBRL_LIBRARY_WRAPPERS})
# no contraction: formulas shared with the CPU give the same floats; products say fma where they mean it
target_compile_options(mbrl_cuda PRIVATE
  $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-fmad=false;-lineinfo;-Xptxas;-v>
  # of a template lambda's conversion to a function pointer, which nobody asks for
  $<$<COMPILE_LANGUAGE:CUDA>:-diag-suppress=445>)
target_include_directories(mbrl_cuda PRIVATE ${PROJECT_SOURCE_DIR})
target_include_directories(mbrl_cuda SYSTEM PRIVATE ${MBRL_LIBRARY_INCLUDES})
list(JOIN CMAKE_CUDA_ARCHITECTURES " " built_for)
string(REGEX REPLACE "-(real|virtual)" "" built_for "${built_for}")
set_source_files_properties(${PROJECT_SOURCE_DIR}/cuda/gpu_runtime.cu PROPERTIES
  COMPILE_DEFINITIONS MBRL_CUDA_ARCHITECTURES="${built_for}")
target_link_libraries(mbrl_cuda PUBLIC CUDA::cudart_static ${CMAKE_DL_LIBS})

# floors of the device at hand, against which profiling/README.md reads times, and what decides designs;
# 9.0's own instructions (wgmma) are in 90a alone
string(REGEX REPLACE "(^|;)90(-real|;|$)" "\\190a\\2" probe_architectures "${CMAKE_CUDA_ARCHITECTURES}")
foreach(probe IN ITEMS probe probe_designs)
  add_executable(mbrl_${probe} ${PROJECT_SOURCE_DIR}/profiling/${probe}.cu)
  target_compile_options(mbrl_${probe} PRIVATE --expt-relaxed-constexpr)
  target_include_directories(mbrl_${probe} PRIVATE ${PROJECT_SOURCE_DIR})
  set_target_properties(mbrl_${probe} PROPERTIES CUDA_ARCHITECTURES "${probe_architectures}")
endforeach()

# an optional opponent of the fused layers, where its package is: pip download nvidia-mathdx, unpacked
set(MBRL_MATHDX "" CACHE PATH "folder that holds include/cublasdx.hpp: builds mbrl_probe_cublasdx")
if(MBRL_MATHDX)
  add_executable(mbrl_probe_cublasdx ${PROJECT_SOURCE_DIR}/profiling/probe_cublasdx.cu
    ${PROJECT_SOURCE_DIR}/kernels/gpu/device_mlp.cpp)
  target_compile_options(mbrl_probe_cublasdx PRIVATE
    $<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-fmad=false>)
  target_include_directories(mbrl_probe_cublasdx PRIVATE ${PROJECT_SOURCE_DIR})
  target_include_directories(mbrl_probe_cublasdx SYSTEM PRIVATE
    ${MBRL_MATHDX}/include ${MBRL_MATHDX}/external/cutlass/include)
  set_target_properties(mbrl_probe_cublasdx PROPERTIES CUDA_ARCHITECTURES 90)
endif()
