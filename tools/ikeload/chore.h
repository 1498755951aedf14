/* What a session that is up does every so often. */
#pragma once

enum chore {
    CHORE_DPD,
    CHORE_REKEY_CHILD,
    CHORE_REKEY_IKE,
    CHORE_ECHO,   /* a ping through the tunnel; every answer is waited for */
    CHORE_ROAM,   /* to another address and port, by MOBIKE */
    CHORE_REBIND, /* the same as a NAT would do it: nobody says so */
    CHORE_LEAVE,  /* deletes itself, and comes again */
    CHORE_VANISH, /* is gone without a word, and comes again */
    CHORES,       /* none of them */
};
