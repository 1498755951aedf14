/* What sessions do when it is due. */
#pragma once

#include "tools/ikeload/load.h"

/* The next thing of a session that nobody works on. */
void session_act(struct load *load, uint32_t index);
/* Begins IKE_SA_INIT. */
void session_open(struct load *load, uint32_t index);
