/* The three functions of libgit2 that Criterion calls, to print differences of strings. The real one would
 * bring OpenSSL's libcrypto into a process that has BoringSSL. */
int git_libgit2_init(void);
int git_libgit2_shutdown(void);
int git_diff_buffers(void);

int git_libgit2_init(void)
{
    return 1;
}

int git_libgit2_shutdown(void)
{
    return 0;
}

/* Finds no difference to show: Criterion still prints both values. */
int git_diff_buffers(void)
{
    return 0;
}
