#include "host/analysis/offscreen.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <array>
#include <string>
#include <vector>

#include "base/error.h"

namespace mbrl {
namespace {

// a library whose functions are looked up by name. Once it is of use it stays loaded, as MuJoCo keeps
// what it finds among the libraries of the process; one that is of no use must not be found there
class Library {
 public:
  explicit Library(const char* name) : handle_(dlopen(name, RTLD_NOW | RTLD_GLOBAL)) {
    if (handle_ == nullptr) throw DeviceError(fmt::format("{} is not here", name));
  }
  ~Library() {
    if (!kept_) dlclose(handle_);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;
  void keep() { kept_ = true; }

  template <typename Function>
  Function find(const char* name) const {
    void* const found = dlsym(handle_, name);
    if (found == nullptr) throw DeviceError(fmt::format("its library has no {}", name));
    return reinterpret_cast<Function>(found);
  }

 private:
  void* handle_;
  bool kept_ = false;
};

// ---- EGL; numbers and types as the Khronos registry has them (EGL 1.5)

using EglHandle = void*;
constexpr int kEglPlatformSurfaceless = 0x31DD, kEglOpenGlApi = 0x30A2;
constexpr std::array<int, 7> kEglConfig = {0x3033, 0x0001,  // surface type: none in a window
                                           0x3040, 0x0008,  // renderable type: OpenGL
                                           0x3025, 24,      // depth size
                                           0x3038};         // end

class Egl : public Offscreen {
 public:
  Egl() : library_("libEGL.so.1") {
    const auto get_platform_display =
        library_.find<EglHandle (*)(unsigned, void*, const std::intptr_t*)>(
            "eglGetPlatformDisplay");
    const auto get_display = library_.find<EglHandle (*)(void*)>("eglGetDisplay");
    const auto initialize = library_.find<unsigned (*)(EglHandle, int*, int*)>("eglInitialize");
    make_current_ =
        library_.find<unsigned (*)(EglHandle, EglHandle, EglHandle, EglHandle)>("eglMakeCurrent");
    destroy_ = library_.find<unsigned (*)(EglHandle, EglHandle)>("eglDestroyContext");
    const auto bind = library_.find<unsigned (*)(unsigned)>("eglBindAPI");
    const auto choose = library_.find<unsigned (*)(EglHandle, const int*, EglHandle*, int, int*)>(
        "eglChooseConfig");
    const auto create = library_.find<EglHandle (*)(EglHandle, EglHandle, EglHandle, const int*)>(
        "eglCreateContext");
    const auto error = library_.find<int (*)()>("eglGetError");

    // without a window system; a vendor's driver may know its own way alone
    display_ = get_platform_display(kEglPlatformSurfaceless, nullptr, nullptr);
    if (display_ == nullptr || !initialize(display_, nullptr, nullptr)) {
      display_ = get_display(nullptr);
      if (display_ == nullptr || !initialize(display_, nullptr, nullptr))
        throw DeviceError(fmt::format("it finds no display (error {:#x})", error()));
    }
    EglHandle config = nullptr;
    int count = 0;
    if (!bind(kEglOpenGlApi) || !choose(display_, kEglConfig.data(), &config, 1, &count) ||
        count == 0)
      throw DeviceError(fmt::format("it has no OpenGL (error {:#x})", error()));
    context_ = create(display_, config, nullptr, nullptr);
    if (context_ == nullptr || !make_current_(display_, nullptr, nullptr, context_))
      throw DeviceError(fmt::format("it makes no context (error {:#x})", error()));
    library_.keep();
  }
  ~Egl() override {
    make_current_(display_, nullptr, nullptr, nullptr);
    destroy_(display_, context_);
  }

 private:
  Library library_;
  EglHandle display_ = nullptr, context_ = nullptr;
  unsigned (*make_current_)(EglHandle, EglHandle, EglHandle, EglHandle) = nullptr;
  unsigned (*destroy_)(EglHandle, EglHandle) = nullptr;
};

// ---- OSMesa

constexpr unsigned kGlRgba = 0x1908, kGlUnsignedByte = 0x1401;

class OsMesa : public Offscreen {
 public:
  OsMesa() : library_("libOSMesa.so.8") {
    const auto create =
        library_.find<void* (*)(unsigned, int, int, int, void*)>("OSMesaCreateContextExt");
    const auto make_current =
        library_.find<unsigned char (*)(void*, void*, unsigned, int, int)>("OSMesaMakeCurrent");
    destroy_ = library_.find<void (*)(void*)>("OSMesaDestroyContext");
    context_ = create(kGlRgba, 24, 8, 8, nullptr);
    // what is drawn goes to a buffer of MuJoCo's own; this one has to be there
    if (context_ == nullptr ||
        !make_current(context_, pixels_.data(), kGlUnsignedByte, kSide, kSide))
      throw DeviceError("it makes no context");
    library_.keep();
  }
  ~OsMesa() override { destroy_(context_); }

 private:
  static constexpr int kSide = 16;
  Library library_;
  std::vector<unsigned char> pixels_ = std::vector<unsigned char>(4 * kSide * kSide);
  void* context_ = nullptr;
  void (*destroy_)(void*) = nullptr;
};

}  // namespace

std::unique_ptr<Offscreen> Offscreen::open() {
  std::string reasons;
  try {
    return std::make_unique<Egl>();
  } catch (const DeviceError& error) {
    reasons = fmt::format("EGL: {}", error.what());
  }
  try {
    return std::make_unique<OsMesa>();
  } catch (const DeviceError& error) {
    throw DeviceError(fmt::format(
        "nothing can be drawn without a window: {}; OSMesa: {}. Install one of them: `apt-get install "
        "libegl1 libegl-mesa0 libgl1-mesa-dri`, or `libosmesa6`.",
        reasons, error.what()));
  }
}

}  // namespace mbrl
