/* The system calls that are left once the daemon serves. */
#pragma once

#include "edge/base/compiler.h"

/* For this thread and all it starts. `steering`: BPF maps whose descriptors are held are read and written. 0
 * or -errno. */
HF_MUST int syscalls_restrict(bool steering);
