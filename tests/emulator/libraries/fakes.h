// What the fake libraries share, and what tests may ask of them.
//
// A program that holds fake_cublaslt.cpp or fake_cudnn.cpp has the C functions of the library that
// our wrappers call: descriptors are taken at their word, products computed on the emulated stream.
// What the documentation calls an error is one, so that a wrapper that forgets an attribute fails
// here and not on a machine with a GPU. Algorithms, timing and last bits are not those of a
// library.
#pragma once

#include <cstddef>

namespace mbrl::emulator {

/// Operand formats, and f32 left as it is.
enum class Rounding { kNone, kTf32, kF16, kBf16 };
/// To nearest; ties go away from zero for tf32 and to even for the others, as on a GPU.
float rounded(float x, Rounding rounding);

/// Objects that the program made in a fake library and has not destroyed.
extern long library_objects;
/// Products computed or recorded, searches for an algorithm or plan, since the program's start.
extern long library_products, library_searches;

}  // namespace mbrl::emulator
