/* Lets everything pass. A veth hands on what the program at its other end sends back (XDP_TX) only when there
 * is a program here, too. */
__attribute__((section("xdp"), used)) int pass(void *packet)
{
    (void)packet;
    return 2; /* XDP_PASS */
}

__attribute__((section("license"), used)) char LICENSE[] = "GPL";
