// Every choice a user can make, with its default, unit and reason.
//
// The defaults are the reference MBPO (Janner et al. 2019, arXiv:1906.08253); a config file holds
// only what differs. host/config/fields.cpp lists each field once more with its range; loading,
// overrides, help, schema and the saved config follow from that list.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "envs/env.h"

namespace mbrl {

/// Learned dynamics: a probabilistic ensemble (Chua et al. 2018, arXiv:1805.12114).
struct ModelConfig {
  int ensemble_size = 7;  // E; each member trains on its own bootstrap of the data
  int num_elites = 5;     // members used for rollouts, ranked by holdout error
  int hidden_size = 200;  // width of the hidden layers
  int num_hidden_layers = 4;
  float learning_rate = 1e-3f;  // Adam
  // L2 decay of each layer's weights, first to last (num_hidden_layers + 1 values)
  std::vector<float> weight_decay = {2.5e-5f, 5e-5f, 7.5e-5f, 7.5e-5f, 1e-4f};
  int batch_size = 256;        // rows per member and step
  float holdout_ratio = 0.2f;  // share of real data kept for early stopping
  int max_holdout = 5000;      // rows; upper limit of the holdout set
  int patience = 5;            // stop after more than this many epochs in a row without improvement
  float min_improvement = 0.01f;  // relative fall of a member's holdout error that counts
  int max_epochs = 0;             // epochs per fit; 0: no limit, as in the reference
  float logvar_penalty = 0.01f;   // weight of sum(max_logvar) - sum(min_logvar)
  float init_max_logvar = 0.5f;
  float init_min_logvar = -10.0f;
  // standard deviations below this count as 1 in the input scaler. The reference uses 1e-12, which
  // lets the float noise of a constant input through
  float min_input_std = 1e-6f;
};

/// Branched imagined rollouts.
struct RolloutConfig {
  int batch_size = 100000;  // start states after each fit
  // [first epoch, last epoch, first length, last length]: rollout length over epochs
  std::vector<float> schedule = {20.0f, 150.0f, 1.0f, 15.0f};
  int retain_epochs = 1;  // epochs of imagined data the model replay holds
  int interval = 0;       // env steps between rollouts; 0: after each fit
};

/// Soft actor-critic (Haarnoja et al. 2018, arXiv:1812.05905).
struct SacConfig {
  std::vector<int> hidden_sizes = {256, 256};
  float learning_rate = 3e-4f;  // actor, critics and temperature
  float discount = 0.99f;       // per environment step
  float tau = 0.005f;           // target averaging per update
  int batch_size = 256;
  float init_alpha = 1.0f;          // reward units per nat
  bool auto_target_entropy = true;  // target_entropy = -A
  float target_entropy = 0.0f;      // nats, when auto_target_entropy is off
  int updates_per_step = 20;        // G, gradient updates per environment step
  // sequential: the actor sees the updated critics; simultaneous: all gradients from the parameters
  // before the update
  std::string update_order = "sequential";
};

/// Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347), of algorithm ppo. The
/// defaults are the paper's for MuJoCo where it states them.
struct PpoConfig {
  int num_envs = 1;                // N, environments stepped at once
  int steps_per_update = 2048;     // T, of each environment, between two updates
  int epochs = 10;                 // times that an update goes over what was collected
  int batch_size = 64;             // rows of a gradient step; divides num_envs * steps_per_update
  float clip = 0.2f;               // of the ratio of probabilities
  float discount = 0.99f;          // per environment step
  float gae_lambda = 0.95f;        // weight of later steps in an advantage
  float entropy_bonus = 0.0f;      // loss units per nat
  float value_weight = 0.5f;       // of the value loss, half the mean squared error
  float max_gradient_norm = 0.5f;  // of policy and value network together; 0: no limit
  float learning_rate = 3e-4f;     // Adam
  std::vector<int> hidden_sizes = {64, 64};  // tanh
  bool normalize_observations = true;        // by running moments
  bool normalize_rewards = true;             // by the running deviation of the discounted return
};

/// The loop around them.
struct LoopConfig {
  int num_env_steps = 125000;  // real steps in all, exploration included
  int epoch_length = 1000;     // env steps per epoch
  int num_exploration_steps =
      5000;                    // uniform random actions first; the episode in progress is finished
  int min_replay_size = 1000;  // real transitions before the first policy update
  int replay_capacity = 1000000;   // real transitions
  int model_train_interval = 250;  // env steps between fits
  float real_ratio = 0.05f;        // share of real rows in a policy batch (rounded down)
  // when the real replay receives transitions: episode (the reference: at an episode's end) or step
  std::string pool_insertion = "episode";
};

struct EvalConfig {
  int interval = 1000;  // env steps between evaluations
  int num_episodes = 10;
};

struct CheckpointConfig {
  int interval = 10000;  // env steps between checkpoints; 0: only at the end and when stopped
  int keep = 2;          // checkpoints kept, newest first
};

struct DeviceConfig {
  // operands of matrix products: fp32 | tf32 | fp16 | bf16. Sums, parameters and losses are fp32
  // always; all but fp32 need a GPU
  std::string precision = "fp32";
  // GPU: whose matrix products SAC and the ensemble use: hand (our fused kernels) | plain (our
  // product kernel, layer by layer) | cublaslt | cudnn | auto (the fastest here, measured once)
  std::string gemm = "hand";
  bool graphs = true;  // GPU: launch recorded sequences as one graph; off: kernel by kernel
};

/// AutoMBPO's hyper-controller (Lai et al. 2021, arXiv:2111.08550, section 5), and what it sees of
/// the MBPO instance that it steers. Scales are the values that count as 1.
struct ControllerConfig {
  // a trained controller's file; mbpo: it steers the run. Empty: none does
  std::string file = "";
  // what it decides on: real_ratio, model, updates, rollout_length
  std::vector<std::string> heads = {"real_ratio", "model", "updates", "rollout_length"};
  // heads whose decisions take effect, as far as the controller has them; the hyperparameters of
  // all others follow the config
  std::vector<std::string> apply = {"real_ratio", "model", "updates", "rollout_length"};
  // its state: samples, model_loss, critic_loss, policy_change, return, values
  std::vector<std::string> features = {"samples",       "model_loss", "critic_loss",
                                       "policy_change", "return",     "values"};
  int interval = 125;              // tau: env steps between decisions
  float ratio_factor = 1.2f;       // c: the real ratio is multiplied by 1/c, 1 or c
  float init_real_ratio = 0.05f;   // where the real ratio starts, if it is decided on
  int init_updates_per_step = 10;  // where G starts, if it is decided on
  int max_updates_per_step = 20;   // G stays in [1, this]
  int rollout_interval = 125;      // env steps between rollouts of a steered run
  int rollout_batch_size = 50000;  // start states of each
  float training_penalty = 0.1f;   // price of a model fit, in scaled reward
  float reward_scale = 300.0f;     // return per unit of the controller's reward
  float return_scale = 3000.0f;
  float model_loss_scale = 0.01f;
  float critic_loss_scale = 100.0f;
  float policy_change_scale = 10.0f;
  int hidden_size = 256;         // one hidden layer, tanh
  float learning_rate = 3e-4f;   // Adam
  float clip = 0.2f;             // PPO's epsilon
  float entropy_bonus = 0.0f;    // off in the paper
  bool value_baseline = false;   // a learned value beside the baseline curve; off in the paper
  int batch_size = 64;           // decisions per update
  int updates_per_episode = 30;  // policy updates for each hyper-episode of a stage
  // joint: one controller with a head per hyperparameter (the paper); staged: three, trained one
  // after the other: real_ratio and model, updates, rollout_length (the released code)
  std::string stack = "joint";
  // chance of a uniform random choice, stage by stage; the last value stays. The released code has
  // 1, 0.8, ... 0 on MuJoCo
  std::vector<float> epsilon = {0.0f};
};

/// Learning of the controller over whole MBPO runs (hyper-episodes).
struct AutoMbpoConfig {
  // ppo: one controller learns over all hyper-episodes; ror: a small Q-network learns anew inside
  // each run (Dong et al. 2019)
  std::string scheme = "ppo";
  int num_episodes = 100;       // hyper-episodes, for each controller of the stack
  int episodes_per_stage = 10;  // between two updates of the controller
  int train_epochs = 50;        // m: epochs of a hyper-episode behind exploration
  int eval_epochs = 95;         // epochs of the evaluation's runs behind exploration
  int num_seeds = 10;           // runs of the evaluation and of default MBPO
  std::string baseline = "";    // a folder of default MBPO runs; empty: made and kept
};

/// Learners that run at the same time.
struct PopulationConfig {
  std::string concurrent = "auto";  // auto, or a number of learners
};

/// One run. Sections appear under these names in JSON: env, model, rollout, sac, ppo, loop,
/// eval, checkpoint, device, controller, autombpo, population.
struct Config {
  std::string name = "run";        // folder under the runs directory
  std::string algorithm = "mbpo";  // mbpo | sac | ppo | autombpo
  int seed = 0;
  EnvOptions env;
  ModelConfig model;
  RolloutConfig rollout;
  SacConfig sac;
  PpoConfig ppo;
  LoopConfig loop;
  EvalConfig eval;
  CheckpointConfig checkpoint;
  DeviceConfig device;
  ControllerConfig controller;
  AutoMbpoConfig autombpo;
  PopulationConfig population;
};

}  // namespace mbrl
