// Stands in for a MuJoCo of another version, by LD_PRELOAD (mujoco_test.sh).
extern "C" int mj_version() { return 3'099'000; }
