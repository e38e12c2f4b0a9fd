#include "host/cli/program.h"

int main(int argc, char** argv) { return mbrl::run_program(argc, argv); }
