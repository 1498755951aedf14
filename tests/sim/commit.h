/* Which commit a run belongs to. */
#pragma once

/* Of the checkout that the program's file lies in, or "unknown"; static. */
const char *commit_name(void);
