#include "host/analysis/camera.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace mbrl {
namespace {

// Robots' files say nothing of looks: what has MuJoCo's plain gray gets a color of its own.
constexpr std::array<float, 4> kPlain = {0.5f, 0.5f, 0.5f, 1.0f};
constexpr std::array<float, 4> kFloor = {0.30f, 0.36f, 0.42f, 1.0f},
                               kLine = {0.42f, 0.48f, 0.55f, 1.0f};
constexpr std::array<std::array<float, 4>, 4> kParts = {{{0.90f, 0.62f, 0.28f, 1.0f},
                                                         {0.36f, 0.62f, 0.86f, 1.0f},
                                                         {0.86f, 0.42f, 0.38f, 1.0f},
                                                         {0.52f, 0.74f, 0.44f, 1.0f}}};
constexpr std::array<double, 3> kSkyAbove = {150, 185, 225}, kSkyBelow = {225, 235, 245};

void color_parts(mjModel& model) {
  for (int geom = 0; geom < model.ngeom; ++geom) {
    float* const rgba = model.geom_rgba + 4 * geom;
    if (model.geom_matid[geom] >= 0 || !std::equal(kPlain.begin(), kPlain.end(), rgba)) continue;
    const auto& color =
        model.geom_type[geom] == mjGEOM_PLANE
            ? kFloor
            : kParts[static_cast<std::size_t>(model.geom_bodyid[geom]) % kParts.size()];
    std::copy(color.begin(), color.end(), rgba);
  }
}

// the ball that holds all geoms but planes
struct Ball {
  double center[3] = {0.0, 0.0, 0.0}, radius = 0.0;
  bool flat = false;  // lies in a plane like a table's
};
Ball bounds(const mjModel& model, const mjData& data) {
  std::array<double, 3> low{}, high{};
  double lowest = 0.0, highest = 0.0;  // of the geoms' middles
  int count = 0;
  for (int geom = 0; geom < model.ngeom; ++geom) {
    if (model.geom_type[geom] == mjGEOM_PLANE || model.geom_bodyid[geom] == 0) continue;
    for (std::size_t i = 0; i < 3; ++i) {
      const double place = data.geom_xpos[3 * static_cast<std::size_t>(geom) + i],
                   reach = model.geom_rbound[geom];
      low[i] = count > 0 ? std::min(low[i], place - reach) : place - reach;
      high[i] = count > 0 ? std::max(high[i], place + reach) : place + reach;
    }
    const double middle = data.geom_xpos[3 * geom + 2];
    lowest = count > 0 ? std::min(lowest, middle) : middle;
    highest = count > 0 ? std::max(highest, middle) : middle;
    ++count;
  }
  Ball ball;
  for (std::size_t i = 0; i < 3; ++i) {
    ball.center[i] = 0.5 * (low[i] + high[i]);
    ball.radius += 0.25 * (high[i] - low[i]) * (high[i] - low[i]);
  }
  ball.radius = count > 0 ? std::sqrt(ball.radius) : 1.0;
  // one part alone has no middles to compare
  ball.flat = count > 1 && highest - lowest < 0.1 * ball.radius;
  return ball;
}

}  // namespace

struct Camera::State {
  mjModel* model;
  mjData* data;
  mjvCamera camera;
  mjvOption option;
  mjvScene scene;
  mjrContext context;
  int tracked = -1;
  double offset[2] = {0.0, 0.0};  // of what is looked at from the tracked body
  bool placed = false;

  State(const Picture& picture, int width, int height)
      : model(mj_copyModel(nullptr, picture.model.get())) {
    model->vis.global.offwidth = width;
    model->vis.global.offheight = height;
    model->vis.quality.shadowsize = 1024;  // a third of the time with 4096 is the shadow's
    std::fill_n(model->vis.headlight.ambient, 3, 0.5f);
    std::fill_n(model->vis.headlight.diffuse, 3, 0.5f);
    std::fill_n(model->vis.headlight.specular, 3, 0.1f);
    color_parts(*model);
    data = mj_makeData(model);
    mjv_defaultCamera(&camera);
    camera.azimuth = 90;  // along y
    camera.elevation = -15;
    tracked = picture.tracked;
    mjv_defaultOption(&option);
    mjv_defaultScene(&scene);
    mjr_defaultContext(&context);
    mjv_makeScene(model, &scene, 1000);
    mjr_makeContext(model, &context, mjFONTSCALE_100);
    mjr_setBuffer(mjFB_OFFSCREEN, &context);
  }
  ~State() {
    mjr_freeContext(&context);
    mjv_freeScene(&scene);
    mj_deleteData(data);
    mj_deleteModel(model);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  // so far away that the robot, as it stands now, fills most of the picture; what does not follow it
  // leaves it room to swing
  void place() {
    const Ball ball = bounds(*model, *data);
    const double half_angle = 0.5 * model->vis.global.fovy * M_PI / 180.0;
    const bool follows = tracked >= 0;
    camera.distance = (follows ? 1.2 : 1.5) * ball.radius / std::sin(half_angle);
    std::copy_n(ball.center, 3, camera.lookat);
    if (ball.flat) camera.elevation = -60;
    // near and far planes are in units of this
    model->stat.extent = camera.distance;
    model->vis.map.zfar = 20.0f;
    if (follows)
      for (int i = 0; i < 2; ++i) offset[i] = ball.center[i] - data->xpos[3 * tracked + i];
    placed = true;
  }

  // MuJoCo's own tracking moves on with each picture, and so depends on how many there are
  void follow() {
    if (tracked < 0) return;
    for (int i = 0; i < 2; ++i) camera.lookat[i] = data->xpos[3 * tracked + i] + offset[i];
  }

  // lines across a plain floor, so that one sees how it passes by
  void draw_lines() {
    const auto floor = std::find_if(model->geom_type, model->geom_type + model->ngeom,
                                    [](int type) { return type == mjGEOM_PLANE; }) -
                       model->geom_type;
    if (floor == model->ngeom || model->geom_matid[floor] >= 0) return;
    const double step = std::pow(10.0, std::floor(std::log10(camera.distance))) / 2.0,
                 width = 0.004 * camera.distance, far = 4.0 * camera.distance;
    const double* const place = data->geom_xpos + 3 * floor;
    // a side of 0 is endless
    const auto half = [&](int side) {
      const double given = model->geom_size[3 * floor + side];
      return given > 0.0 ? given : std::numeric_limits<double>::infinity();
    };
    const double first = std::max(camera.lookat[0] - far, place[0] - half(0)),
                 last = std::min(camera.lookat[0] + far, place[0] + half(0)),
                 reach = std::min(far, half(1)), z = place[2] + 1e-3 * camera.distance;
    const mjtNum size[3] = {width, reach, 1e-6}, flat[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    for (double at = std::ceil(first / step) * step; at < last && scene.ngeom < scene.maxgeom;
         at += step) {
      const mjtNum middle[3] = {at, place[1], z};
      mjv_initGeom(scene.geoms + scene.ngeom++, mjGEOM_BOX, size, middle, flat, kLine.data());
    }
  }
};

Camera::Camera(const Picture& picture, int width, int height)
    : picture_(picture),
      width_(width),
      height_(height),
      offscreen_(Offscreen::open()),
      state_(std::make_unique<State>(picture, width, height)),
      pixels_(static_cast<std::size_t>(3 * width * height)),
      rows_(pixels_.size()),
      depth_(static_cast<std::size_t>(width * height)) {
  if (state_->context.currentBuffer != mjFB_OFFSCREEN)
    throw DeviceError("OpenGL here has no offscreen buffers, which pictures are drawn in.");
}

Camera::~Camera() = default;

const std::vector<std::uint8_t>& Camera::draw(const Env& env) {
  picture_.pose(env, *state_->data);
  if (!state_->placed) state_->place();
  state_->follow();
  mjv_updateScene(state_->model, state_->data, &state_->option, nullptr, &state_->camera, mjCAT_ALL,
                  &state_->scene);
  state_->draw_lines();
  const mjrRect all{0, 0, width_, height_};
  mjr_render(all, &state_->scene, &state_->context);
  mjr_readPixels(rows_.data(), depth_.data(), all, &state_->context);
  // OpenGL's rows begin at the bottom; where nothing was drawn is sky
  for (int y = 0; y < height_; ++y) {
    const auto from = static_cast<std::size_t>(height_ - 1 - y) * static_cast<std::size_t>(width_),
               to = static_cast<std::size_t>(y) * static_cast<std::size_t>(width_);
    const double share = static_cast<double>(y) / height_;
    for (std::size_t x = 0; x < static_cast<std::size_t>(width_); ++x)
      for (std::size_t c = 0; c < 3; ++c)
        pixels_[3 * (to + x) + c] =
            depth_[from + x] < 1.0f
                ? rows_[3 * (from + x) + c]
                : static_cast<std::uint8_t>(kSkyAbove[c] + share * (kSkyBelow[c] - kSkyAbove[c]));
  }
  return pixels_;
}

}  // namespace mbrl
