/* What sessions do when it is due. */
#pragma once

#include "tools/ikeload/load.h"

/* The next thing of a session that nobody works on. */
void session_act(struct load *load, uint32_t index);
/* Begins IKE_SA_INIT. */
void session_open(struct load *load, uint32_t index);
/* Begins to ask the gateway whether it lives; false when the session is not up, or something is under way. */
HF_MUST bool session_ask(struct load *load, ns_t now, uint32_t index);
