#include "envs/bullet/bullet_env.h"

#include <BulletDynamics/Featherstone/btMultiBody.h>
#include <BulletDynamics/Featherstone/btMultiBodyConstraintSolver.h>
#include <BulletDynamics/Featherstone/btMultiBodyDynamicsWorld.h>
#include <BulletDynamics/Featherstone/btMultiBodyJointLimitConstraint.h>
#include <BulletDynamics/Featherstone/btMultiBodyJointMotor.h>
#include <BulletDynamics/Featherstone/btMultiBodyLinkCollider.h>
#include <btBulletCollisionCommon.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/rng.h"
#include "envs/env.h"

namespace mbrl {
namespace {

static_assert(sizeof(btScalar) == 8, "the headers must be read for the double build of Bullet");

constexpr double kGravity = 9.8;
constexpr double kSubstep = 0.0165 / 4;
constexpr int kSubsteps = 4;
constexpr double kDensity = 1000.0;
constexpr float kFriction = 0.8f;        // of the robots, rounded by the importer
constexpr double kGroundFriction = 0.8;  // frictions multiply; the robots' restitution is 0
constexpr double kResetNoise = 0.1;
constexpr float kMaxObservation = 5.0f;
constexpr int kRootJoints = 3;
constexpr int kTorsoLink = kRootJoints;  // its body follows the root's slides and hinge
constexpr int kMaxPoints = MANIFOLD_CACHE_SIZE;
constexpr int kPointSize = 6;
constexpr int kManifoldSize = 1 + kMaxPoints * kPointSize;

// the importer's numbering: three root joints and the torso, then each joint and its body
int joint_link(int body) { return kRootJoints + 2 * body - 1; }
int body_link(int body) { return kRootJoints + 2 * body; }

btTransform translation(double x, double z) {
  btTransform t = btTransform::getIdentity();
  t.setOrigin(btVector3(x, 0, z));
  return t;
}

double length(const BulletCapsule& c) {
  return c.by_end_points
             ? (btVector3(c.from_x, 0, c.from_z) - btVector3(c.to_x, 0, c.to_z)).length()
             : 2.0f * c.half_length;
}

double body_mass(const BulletBody& body) {
  if (body.mass > 0.0) return body.mass;
  double volume = 0.0;
  for (const BulletCapsule& c : body.capsules) {
    const double r = c.radius;
    volume += 4. / 3. * SIMD_PI * r * r * r;
    volume += SIMD_PI * r * r * length(c);
  }
  return kDensity * volume;
}

// the last capsule decides
btTransform body_center(const BulletBody& body) {
  const BulletCapsule& c = body.capsules.back();
  if (!c.by_end_points) return btTransform::getIdentity();
  btTransform t = btTransform::getIdentity();
  t.setOrigin(0.5 * (btVector3(c.from_x, 0, c.from_z) + btVector3(c.to_x, 0, c.to_z)));
  return t;
}

}  // namespace

BulletCapsule capsule_between(float x0, float z0, float x1, float z1, float radius) {
  return {
      .by_end_points = true, .from_x = x0, .from_z = z0, .to_x = x1, .to_z = z1, .radius = radius};
}

BulletCapsule capsule_at(float x, float z, float angle, float half_length, float radius) {
  return {.by_end_points = false,
          .from_x = x,
          .from_z = z,
          .angle = angle,
          .half_length = half_length,
          .radius = radius};
}

std::string bullet_version() {
  return std::to_string(BT_BULLET_VERSION / 100) + "." + std::to_string(BT_BULLET_VERSION % 100);
}

namespace {

// The original's world has m_deterministicOverlappingPairs: detection goes through pairs in a
// sorted order, and so does the solver through their contacts. The first detection makes all pairs
// and their manifolds; later ones, one in every substep, come out the same in any order and would
// allocate to sort.
struct MultiBodyWorld : btMultiBodyDynamicsWorld {
  using btMultiBodyDynamicsWorld::btMultiBodyDynamicsWorld;

  void performDiscreteCollisionDetection() override {
    getDispatchInfo().m_deterministicOverlappingPairs = !pairs_are_sorted;
    btMultiBodyDynamicsWorld::performDiscreteCollisionDetection();
    getDispatchInfo().m_deterministicOverlappingPairs = true;
  }

  bool pairs_are_sorted = false;
};

}  // namespace

// Everything of one simulation. Members are destroyed from the last to the first: the world goes
// before what it points to.
struct BulletEnv::World {
  explicit World(const BulletRobot& robot);

  btMultiBodyLinkCollider* add_collider(btMultiBody& body, int link, btCollisionShape* shape,
                                        int group, int mask);
  void add_joint(int link, int parent, btMultibodyLink::eFeatherstoneJointType type,
                 const btVector3& axis, const btTransform& parent_to_joint);
  void add_body(int link, const BulletBody& body, const btTransform& joint_to_body);
  void update_poses();
  void find_manifolds();

  template <typename Shape, typename... Args>
  Shape* own_shape(Args&&... args) {
    auto shape = std::make_unique<Shape>(std::forward<Args>(args)...);
    Shape* raw = shape.get();
    shapes.push_back(std::move(shape));
    return raw;
  }

  std::vector<std::unique_ptr<btCollisionShape>> shapes;
  std::unique_ptr<btMultiBody> ground, robot;
  std::vector<std::unique_ptr<btMultiBodyLinkCollider>> colliders;
  std::vector<std::unique_ptr<btMultiBodyConstraint>> constraints;
  btDefaultCollisionConfiguration configuration;
  btCollisionDispatcher dispatcher;
  btDbvtBroadphase broadphase;
  btMultiBodyConstraintSolver solver;
  MultiBodyWorld world;

  // one per capsule: its contacts with the ground; body 0 is the capsule's link
  std::vector<btPersistentManifold*> manifolds;
  std::vector<int> dof_links;              // links of root and joints, in the state's order
  std::vector<btVector3> omega, velocity;  // scratch of link velocities
  btAlignedObjectArray<btQuaternion> link_rotations;  // scratch of link poses
  btAlignedObjectArray<btVector3> link_origins;
};

namespace {

// a robot has a dozen pairs: Bullet's pools for 4096 would take 4 MB per world
btDefaultCollisionConstructionInfo small_pools() {
  btDefaultCollisionConstructionInfo info;
  info.m_defaultMaxPersistentManifoldPoolSize = 16;
  info.m_defaultMaxCollisionAlgorithmPoolSize = 64;
  return info;
}

// robots touch the ground alone
constexpr int kGroundGroup = btBroadphaseProxy::StaticFilter;
constexpr int kRobotGroup = btBroadphaseProxy::DefaultFilter;

}  // namespace

BulletEnv::World::World(const BulletRobot& model)
    : configuration(small_pools()),
      dispatcher(&configuration),
      world(&dispatcher, &broadphase, &solver, &configuration) {
  world.setGravity(btVector3(0, 0, -kGravity));
  btContactSolverInfo& info = world.getSolverInfo();
  info.m_numIterations = 5;
  info.m_erp2 = 0.9;  // contacts; joint limits use the default m_erp, 0.2
  info.m_linearSlop = 0.00001;
  info.m_leastSquaresResidualThreshold = 1e-7;

  // the ground comes first, as a body without links
  ground = std::make_unique<btMultiBody>(0, 0.0, btVector3(0, 0, 0), /*fixedBase=*/true,
                                         /*canSleep=*/false);
  auto* plane = add_collider(*ground, -1, own_shape<btStaticPlaneShape>(btVector3(0, 0, 1), 0.0),
                             kGroundGroup, kRobotGroup);
  plane->setFriction(kGroundFriction);
  ground->finalizeMultiDof();
  world.addMultiBody(ground.get());

  const int num_links = kRootJoints + 2 * static_cast<int>(model.bodies.size()) - 1;
  robot = std::make_unique<btMultiBody>(num_links, 0.0, btVector3(0, 0, 0), /*fixedBase=*/true,
                                        /*canSleep=*/false);
  add_collider(*robot, -1, own_shape<btCompoundShape>(), kGroundGroup, 0);

  // the torso's slides and hinge, then the torso
  const btTransform identity = btTransform::getIdentity();
  const BulletBody& torso = model.bodies.front();
  add_joint(0, -1, btMultibodyLink::ePrismatic, btVector3(1, 0, 0), translation(torso.x, torso.z));
  add_joint(1, 0, btMultibodyLink::ePrismatic, btVector3(0, 0, 1), identity);
  add_joint(2, 1, btMultibodyLink::eRevolute, btVector3(0, 1, 0), identity);
  add_body(kTorsoLink, torso, identity);
  dof_links = {0, 1, 2};

  for (int i = 1; i < static_cast<int>(model.bodies.size()); ++i) {
    const BulletBody& body = model.bodies[static_cast<std::size_t>(i)];
    const BulletBody& parent = model.bodies[static_cast<std::size_t>(body.parent)];
    const btTransform joint = translation(body.joint_x, body.joint_z);
    const int link = joint_link(i);
    add_joint(link, body_link(body.parent), btMultibodyLink::eRevolute,
              btVector3(0, body.axis_y, 0),
              body_center(parent).inverse() * (translation(body.x, body.z) * joint));
    constraints.push_back(std::make_unique<btMultiBodyJointLimitConstraint>(
        robot.get(), link, body.lower, body.upper));
    world.addMultiBodyConstraint(constraints.back().get());
    add_body(body_link(i), body, joint.inverse());
    dof_links.push_back(link);
  }
  // The original's motors, switched off. They add no rows, but the number of constraints decides in
  // which order Bullet's sort leaves the limits, and with it the solver's result.
  for (const int link : dof_links) {
    constraints.push_back(std::make_unique<btMultiBodyJointMotor>(robot.get(), link, 0.0, 0.0));
    world.addMultiBodyConstraint(constraints.back().get());
    constraints.back()->finalizeMultiDof();
  }
  robot->finalizeMultiDof();
  world.addMultiBody(robot.get());
  omega.resize(static_cast<std::size_t>(num_links) + 1);
  velocity.resize(omega.size());
  find_manifolds();
}

btMultiBodyLinkCollider* BulletEnv::World::add_collider(btMultiBody& body, int link,
                                                        btCollisionShape* shape, int group,
                                                        int mask) {
  colliders.push_back(std::make_unique<btMultiBodyLinkCollider>(&body, link));
  btMultiBodyLinkCollider* collider = colliders.back().get();
  collider->setCollisionShape(shape);
  world.addCollisionObject(collider, group, mask);
  if (link >= 0) {
    body.getLink(link).m_collider = collider;
  } else {
    collider->setCollisionFlags(collider->getCollisionFlags() |
                                btCollisionObject::CF_STATIC_OBJECT);
    body.setBaseCollider(collider);
  }
  return collider;
}

// parent_to_joint: from the parent's center of mass
void BulletEnv::World::add_joint(int link, int parent, btMultibodyLink::eFeatherstoneJointType type,
                                 const btVector3& axis, const btTransform& parent_to_joint) {
  const btQuaternion rotation = parent_to_joint.inverse().getRotation();
  const btVector3 offset = parent_to_joint.getOrigin(), none(0, 0, 0);
  if (type == btMultibodyLink::ePrismatic)
    robot->setupPrismatic(link, 0.0, none, parent, rotation, axis, offset, none, true);
  else
    robot->setupRevolute(link, 0.0, none, parent, rotation, axis, offset, none, true);
  add_collider(*robot, link, own_shape<btCompoundShape>(), kRobotGroup, 0);
}

void BulletEnv::World::add_body(int link, const BulletBody& body,
                                const btTransform& joint_to_body) {
  const double mass = body_mass(body);
  const btTransform center = body_center(body), to_frame = center.inverse();
  btCompoundShape* compound = own_shape<btCompoundShape>();
  for (const BulletCapsule& c : body.capsules) {
    if (c.by_end_points) {
      const btVector3 ends[2] = {btVector3(c.from_x, 0, c.from_z), btVector3(c.to_x, 0, c.to_z)};
      const btScalar radii[2] = {c.radius, c.radius};
      compound->addChildShape(to_frame, own_shape<btMultiSphereShape>(ends, radii, 2));
    } else {
      btTransform place = translation(c.from_x, c.from_z);
      place.setRotation(btQuaternion(btVector3(0, 1, 0), c.angle));
      compound->addChildShape(to_frame * place,
                              own_shape<btCapsuleShapeZ>(c.radius, 2.0f * c.half_length));
    }
  }
  btVector3 inertia;
  compound->calculateLocalInertia(mass, inertia);  // of the bounding box
  robot->setupFixed(link, mass, inertia, link - 1, to_frame.getRotation(),
                    joint_to_body.getOrigin(), -to_frame.getOrigin());
  add_collider(*robot, link, compound, kRobotGroup, kGroundGroup)->setFriction(kFriction);
}

// Brings links and their colliders to where the joints say.
void BulletEnv::World::update_poses() {
  robot->forwardKinematics(link_rotations, link_origins);
  robot->updateCollisionObjectWorldTransforms(link_rotations, link_origins);
}

// One detection at the rest pose makes a manifold for each capsule and the ground. The plane's
// bounding box is infinite, so these pairs stay for good, and their order is the same in every
// world.
void BulletEnv::World::find_manifolds() {
  ground->updateCollisionObjectWorldTransforms(link_rotations, link_origins);
  update_poses();
  world.performDiscreteCollisionDetection();
  world.pairs_are_sorted = true;
  for (int i = 0; i < dispatcher.getNumManifolds(); ++i)
    manifolds.push_back(dispatcher.getManifoldByIndexInternal(i));
  const auto link = [](const btPersistentManifold* manifold) {
    return btMultiBodyLinkCollider::upcast(manifold->getBody0())->m_link;
  };
  std::stable_sort(manifolds.begin(), manifolds.end(),
                   [&](const auto* a, const auto* b) { return link(a) < link(b); });
}

BulletEnv::BulletEnv(EnvSpec spec, BulletRobot robot)
    : spec_(std::move(spec)),
      robot_(std::move(robot)),
      world_(std::make_unique<World>(robot_)),
      start_positions_(world_->dof_links.size(), 0.0),
      start_speeds_(world_->dof_links.size(), 0.0),
      contact_(robot_.feet.size(), 0.0f) {
  spec_.simulator = "Bullet " + bullet_version();
  const int entries = 8 + 2 * num_joints() + static_cast<int>(robot_.feet.size());
  if (num_joints() != spec_.action_size || entries != spec_.observation_size)
    throw DataError(spec_.name + ": the robot has " + std::to_string(num_joints()) +
                    " joints and " + std::to_string(entries) + " entries to observe, the task " +
                    std::to_string(spec_.action_size) + " actions and an observation of " +
                    std::to_string(spec_.observation_size) + ".");
  height_at_reset_ = torso().height;
  std::size_t num_capsules = 0;
  for (const BulletBody& body : robot_.bodies) num_capsules += body.capsules.size();
  if (world_->manifolds.size() != num_capsules)
    throw DataError("Bullet " + bullet_version() + " made " +
                    std::to_string(world_->manifolds.size()) + " contact manifolds for " +
                    std::to_string(num_capsules) + " capsules of " + spec_.name + ".");
}

BulletEnv::~BulletEnv() = default;

// Sets root and joints and forgets all contacts.
void BulletEnv::place(std::span<const double> positions, std::span<const double> speeds) {
  // a simulation that exploded leaves colliders switched off and boxes of NaN
  if (!finite()) world_ = std::make_unique<World>(robot_);

  btMultiBody& robot = *world_->robot;
  for (std::size_t i = 0; i < world_->dof_links.size(); ++i) {
    robot.setJointPos(world_->dof_links[i], positions[i]);
    robot.setJointVel(world_->dof_links[i], speeds[i]);
  }
  world_->update_poses();
  for (btPersistentManifold* manifold : world_->manifolds) manifold->clearManifold();
}

void BulletEnv::reset(std::uint32_t seed, std::uint64_t episode, std::span<float> observation) {
  const RandomKey key{seed, purpose::kEnvReset, 0};
  for (int i = 0; i < num_joints(); ++i)
    start_positions_[static_cast<std::size_t>(kRootJoints + i)] =
        kResetNoise * (2.0 * uniform01(key.bits(episode, static_cast<std::uint32_t>(i)).x) - 1.0);
  place(start_positions_, start_speeds_);
  std::fill(contact_.begin(), contact_.end(), 0.0f);
  observe(torso(), observation);
}

bool BulletEnv::simulate(std::span<const float> action) {
  for (int i = 0; i < num_joints(); ++i) {
    const double a = action[static_cast<std::size_t>(i)];
    world_->robot->addJointTorque(
        joint_link(i + 1),
        robot_.bodies[static_cast<std::size_t>(i + 1)].torque * std::clamp(a, -1.0, 1.0));
  }
  // gravity and torques are applied once and held over the substeps
  world_->world.stepSimulation(kSubsteps * kSubstep, kSubsteps, kSubstep);
  return true;
}

StepResult BulletEnv::do_step(std::span<const float> action, std::span<float> observation) {
  // what the original's observation shows: flags that it writes after building one
  for (std::size_t k = 0; k < robot_.feet.size(); ++k) {
    const btCollisionObject* foot = world_->robot->getLink(body_link(robot_.feet[k])).m_collider;
    contact_[k] = 0.0f;
    for (const btPersistentManifold* m : world_->manifolds)
      if (m->getBody0() == foot && m->getNumContacts() > 0) contact_[k] = 1.0f;
  }

  simulate(action);
  if (!finite()) return {.broken = kNotFinite};
  double control = 0.0;
  for (const double a : action) control += std::clamp(a, -1.0, 1.0) * std::clamp(a, -1.0, 1.0);

  const Torso t = torso();
  observe(t, observation);
  // reference (pybullet_envs/gym_locomotion_envs.py) adds the rounded entry to the height at reset
  return outcome(observation, observation[0] + height_at_reset_, t.pitch, control);
}

bool BulletEnv::finite() const {
  double sum = 0.0;
  for (const int link : world_->dof_links)
    sum += world_->robot->getJointPos(link) + world_->robot->getJointVel(link);
  return std::isfinite(sum);
}

BulletEnv::Torso BulletEnv::torso() const {
  World& w = *world_;
  w.robot->compTreeLinkVelocities(w.omega.data(), w.velocity.data());
  // the pose as forward kinematics left it: at the start of the last substep
  const btTransform& pose = w.robot->getLink(kTorsoLink).m_cachedWorldTransform;
  const btVector3 v = pose.getBasis() * w.velocity[kTorsoLink + 1];
  const btQuaternion q = pose.getRotation();

  Torso t{};
  t.height = pose.getOrigin().z();
  const double xx = q.x() * q.x(), yy = q.y() * q.y(), zz = q.z() * q.z(), ww = q.w() * q.w();
  const double sine = -2.0 * (q.x() * q.z() - q.w() * q.y());
  // the original's Euler angles give up near +-90 degrees
  if (std::abs(sine) >= 0.99999) {
    const double sign = sine < 0.0 ? -1.0 : 1.0;
    t.roll = 0.0;
    t.pitch = sign * 0.5 * SIMD_PI;
    t.yaw = 2.0 * std::atan2(-sign * q.x(), sign * q.y());
  } else {
    t.roll = std::atan2(2.0 * (q.y() * q.z() + q.w() * q.x()), ww - xx - yy + zz);
    t.pitch = std::asin(sine);
    t.yaw = std::atan2(2.0 * (q.x() * q.y() + q.w() * q.z()), ww + xx - yy - zz);
  }
  const double c = std::cos(-t.yaw), s = std::sin(-t.yaw);
  t.velocity[0] = c * v.x() - s * v.y();
  t.velocity[1] = s * v.x() + c * v.y();
  t.velocity[2] = v.z();
  return t;
}

void BulletEnv::observe(const Torso& t, std::span<float> observation) const {
  std::size_t i = 0;
  const auto put = [&](double x) {
    observation[i++] = std::clamp(static_cast<float>(x), -kMaxObservation, kMaxObservation);
  };
  put(t.height - height_at_reset_);
  // the target lies on the x axis and so do planar robots: its bearing is 0
  put(std::sin(-t.yaw));
  put(std::cos(-t.yaw));
  for (const double v : t.velocity) put(0.3 * v);
  put(t.roll);
  put(t.pitch);
  for (std::size_t b = 1; b < robot_.bodies.size(); ++b) {
    const int link = joint_link(static_cast<int>(b));
    const double lower = robot_.bodies[b].lower, upper = robot_.bodies[b].upper;
    put(2.0 * (world_->robot->getJointPos(link) - 0.5 * (lower + upper)) / (upper - lower));
    put(0.1 * world_->robot->getJointVel(link));
  }
  for (const float flag : contact_) put(flag);
}

int BulletEnv::state_size() const {
  return static_cast<int>(2 * world_->dof_links.size() + kManifoldSize * world_->manifolds.size());
}

void BulletEnv::get_state(std::span<double> state) const {
  double* out = state.data();
  for (const int link : world_->dof_links) *out++ = world_->robot->getJointPos(link);
  for (const int link : world_->dof_links) *out++ = world_->robot->getJointVel(link);
  for (const btPersistentManifold* manifold : world_->manifolds) {
    std::fill_n(out, kManifoldSize, 0.0);
    *out++ = manifold->getNumContacts();
    for (int p = 0; p < kMaxPoints; ++p, out += kPointSize) {
      if (p >= manifold->getNumContacts()) continue;
      const btManifoldPoint& point = manifold->getContactPoint(p);
      for (int k = 0; k < 3; ++k) {
        out[k] = point.m_localPointA[k];
        out[3 + k] = point.m_localPointB[k];
      }
    }
  }
}

void BulletEnv::set_state(std::span<const double> state) {
  const std::size_t num_dofs = world_->dof_links.size();
  place(state.first(num_dofs), state.subspan(num_dofs, num_dofs));
  const double* in = state.data() + 2 * num_dofs;
  for (btPersistentManifold* manifold : world_->manifolds) {
    const double num_points = *in++;  // of a file, so perhaps none that an int holds
    for (int p = 0; p < kMaxPoints; ++p, in += kPointSize) {
      if (p >= num_points) continue;
      // distance, world positions and directions of friction are computed anew before they are read
      btManifoldPoint point(btVector3(in[0], in[1], in[2]), btVector3(in[3], in[4], in[5]),
                            btVector3(0, 0, 1), 0.0);
      point.m_combinedFriction =
          btManifoldResult::calculateCombinedFriction(manifold->getBody0(), manifold->getBody1());
      manifold->addManifoldPoint(point);
    }
  }
}

BulletEnv::Inertia BulletEnv::inertia(int body) const {
  const btMultibodyLink& link = world_->robot->getLink(body_link(body));
  const btVector3 center = body_center(robot_.bodies[static_cast<std::size_t>(body)]).getOrigin();
  return {.mass = link.m_mass,
          .center_x = center.x(),
          .center_z = center.z(),
          .xx = link.m_inertiaLocal.x(),
          .yy = link.m_inertiaLocal.y(),
          .zz = link.m_inertiaLocal.z()};
}

}  // namespace mbrl
