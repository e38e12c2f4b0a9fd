// Signals: a stop with a checkpoint, at once by a second SIGINT, or a checkpoint alone.
#pragma once

namespace mbrl {

/// SIGINT, SIGTERM, SIGHUP (a terminal or connection that closed) and SIGXCPU (a limit on processor
/// time) ask for a stop; SIGHUP does nothing where it was ignored before, as under nohup. SIGUSR1,
/// which batch systems send ahead of their limit, asks for a checkpoint. SIGPIPE and SIGXFSZ are
/// ignored, so that a reader that went away or a size limit is an error code where it happens.
void install_signal_handlers();

bool stop_requested();
void request_stop();
void clear_stop();

/// How many checkpoints SIGUSR1 has asked for: every learner of the process compares with what it
/// saw last.
int num_saves_requested();

}  // namespace mbrl
