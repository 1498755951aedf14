/* PEM certificates that our own pki does not make, by name; "ca" is the root of all. An unknown name traps.
 */
#pragma once

const char *fixture(const char *name);
