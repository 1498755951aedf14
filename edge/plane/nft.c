#include "edge/plane/nft.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <libnftnl/chain.h>
#include <libnftnl/common.h>
#include <libnftnl/expr.h>
#include <libnftnl/rule.h>
#include <libnftnl/table.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4.h>
#include <stdio.h>
#include <stdlib.h>

#define CHAIN_FORWARD "forward"
#define CHAIN_POSTROUTING "postrouting"

enum {
    BATCH_BYTES = 192 * 1024,
    MESSAGE_BYTES_MAX = 8192, /* one message; the batch's memory has this much more */
    STEPS_MAX = NFT_NAT_MAX + 16,
    V4_OVERHEAD = 40, /* IP and TCP headers without options */
    V6_OVERHEAD = 60,
    V4_SOURCE_OFFSET = 12,
    V6_SOURCE_OFFSET = 8,
    TCP_FLAGS_OFFSET = 13,
    TCP_FLAG_SYN = 0x02,
    TCP_FLAG_RST = 0x04,
    TCP_OPTION_MSS = 2,
    MSS_OFFSET = 2, /* within the option */
};

/* A transaction being written. What each message does is kept, so that an error can name it. */
struct batch {
    struct mnl_nlmsg_batch *messages;
    uint8_t *memory;
    const char *steps[STEPS_MAX]; /* by sequence number - 1 */
    uint32_t sequence;
    struct nlmsghdr *last;
    bool failed; /* no memory */
};

/* ---- messages */

static struct nlmsghdr *message_begin(struct batch *batch, const char *step, uint16_t type, uint16_t flags)
{
    hf_assert(batch->sequence < STEPS_MAX);
    batch->steps[batch->sequence++] = step;
    char *room = mnl_nlmsg_batch_current(batch->messages);
    batch->last = nftnl_nlmsg_build_hdr(room, type, NFPROTO_INET, flags, batch->sequence);
    return batch->last;
}

static void message_end(struct batch *batch)
{
    bool fits = mnl_nlmsg_batch_next(batch->messages);
    hf_assert(fits); /* the largest transaction is known */
}

static void table_put(struct batch *batch, const char *step, uint16_t type, uint16_t flags)
{
    struct nftnl_table *table = nftnl_table_alloc();
    if (table == NULL) {
        batch->failed = true;
        return;
    }
    (void)nftnl_table_set_str(table, NFTNL_TABLE_NAME, NFT_TABLE);
    struct nlmsghdr *message = message_begin(batch, step, type, flags);
    nftnl_table_nlmsg_build_payload(message, table);
    message_end(batch);
    nftnl_table_free(table);
}

static void chain_put(struct batch *batch, const char *name, const char *type, uint32_t hook,
                      int32_t priority)
{
    struct nftnl_chain *chain = nftnl_chain_alloc();
    if (chain == NULL) {
        batch->failed = true;
        return;
    }
    (void)nftnl_chain_set_str(chain, NFTNL_CHAIN_TABLE, NFT_TABLE);
    (void)nftnl_chain_set_str(chain, NFTNL_CHAIN_NAME, name);
    (void)nftnl_chain_set_str(chain, NFTNL_CHAIN_TYPE, type);
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_HOOKNUM, hook);
    nftnl_chain_set_s32(chain, NFTNL_CHAIN_PRIO, priority);
    nftnl_chain_set_u32(chain, NFTNL_CHAIN_POLICY, NF_ACCEPT);
    struct nlmsghdr *message = message_begin(batch, name, NFT_MSG_NEWCHAIN, NLM_F_CREATE);
    nftnl_chain_nlmsg_build_payload(message, chain);
    message_end(batch);
    nftnl_chain_free(chain);
}

/* ---- rules: NULL stands for one that found no memory, and stays so */

static struct nftnl_rule *rule_new(const char *chain)
{
    struct nftnl_rule *rule = nftnl_rule_alloc();
    if (rule != NULL) {
        (void)nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, NFT_TABLE);
        (void)nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain);
    }
    return rule;
}

static void rule_put(struct batch *batch, const char *step, struct nftnl_rule *rule)
{
    if (rule == NULL) {
        batch->failed = true;
        return;
    }
    struct nlmsghdr *message = message_begin(batch, step, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
    nftnl_rule_nlmsg_build_payload(message, rule);
    message_end(batch);
    nftnl_rule_free(rule);
}

/* Adds an empty expression to *rule; NULL when there is no memory. */
static struct nftnl_expr *expr_add(struct nftnl_rule **rule, const char *name)
{
    struct nftnl_expr *expr = *rule == NULL ? NULL : nftnl_expr_alloc(name);
    if (expr != NULL) {
        nftnl_rule_add_expr(*rule, expr);
    } else if (*rule != NULL) {
        nftnl_rule_free(*rule);
        *rule = NULL;
    }
    return expr;
}

static void meta_load(struct nftnl_rule **rule, uint32_t key)
{
    struct nftnl_expr *expr = expr_add(rule, "meta");
    if (expr != NULL) {
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_KEY, key);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_META_DREG, NFT_REG_1);
    }
}

static void payload_load(struct nftnl_rule **rule, uint32_t base, uint32_t offset, uint32_t len)
{
    struct nftnl_expr *expr = expr_add(rule, "payload");
    if (expr != NULL) {
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_BASE, base);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_OFFSET, offset);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_LEN, len);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_PAYLOAD_DREG, NFT_REG_1);
    }
}

static void mask_apply(struct nftnl_rule **rule, const uint8_t *mask, uint32_t len)
{
    static const uint8_t zeros[16];
    struct nftnl_expr *expr = expr_add(rule, "bitwise");
    if (expr != NULL) {
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_SREG, NFT_REG_1);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_DREG, NFT_REG_1);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_BITWISE_LEN, len);
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_MASK, mask, len);
        nftnl_expr_set(expr, NFTNL_EXPR_BITWISE_XOR, zeros, len);
    }
}

/* The rule goes on only where what was loaded compares so; as bytes, so numbers are in network order. */
static void compare(struct nftnl_rule **rule, uint32_t op, const void *bytes, uint32_t len)
{
    struct nftnl_expr *expr = expr_add(rule, "cmp");
    if (expr != NULL) {
        nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_SREG, NFT_REG_1);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_CMP_OP, op);
        nftnl_expr_set(expr, NFTNL_EXPR_CMP_DATA, bytes, len);
    }
}

static void match_family(struct nftnl_rule **rule, bool is_v4)
{
    uint8_t family = is_v4 ? NFPROTO_IPV4 : NFPROTO_IPV6;
    meta_load(rule, NFT_META_NFPROTO);
    compare(rule, NFT_CMP_EQ, &family, sizeof(family));
}

/* Comparing without the terminating zero is nft's "name*". */
static void match_tunnel(struct nftnl_rule **rule, uint32_t key, uint32_t op, const char *prefix)
{
    meta_load(rule, key);
    compare(rule, op, prefix, (uint32_t)strlen(prefix));
}

static void match_syn(struct nftnl_rule **rule)
{
    static const uint8_t protocol = IPPROTO_TCP, flags = TCP_FLAG_SYN | TCP_FLAG_RST, syn = TCP_FLAG_SYN;
    meta_load(rule, NFT_META_L4PROTO);
    compare(rule, NFT_CMP_EQ, &protocol, sizeof(protocol));
    payload_load(rule, NFT_PAYLOAD_TRANSPORT_HEADER, TCP_FLAGS_OFFSET, sizeof(flags));
    mask_apply(rule, &flags, sizeof(flags));
    compare(rule, NFT_CMP_EQ, &syn, sizeof(syn));
}

/* Reads the MSS option into the register, or writes it from there. */
static void mss_access(struct nftnl_rule **rule, uint32_t register_attribute)
{
    struct nftnl_expr *expr = expr_add(rule, "exthdr");
    if (expr != NULL) {
        nftnl_expr_set_u32(expr, register_attribute, NFT_REG_1);
        nftnl_expr_set_u8(expr, NFTNL_EXPR_EXTHDR_TYPE, TCP_OPTION_MSS);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OFFSET, MSS_OFFSET);
        nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_LEN, sizeof(uint16_t));
        nftnl_expr_set_u32(expr, NFTNL_EXPR_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
    }
}

static void register_set(struct nftnl_rule **rule, const void *bytes, uint32_t len)
{
    struct nftnl_expr *expr = expr_add(rule, "immediate");
    if (expr != NULL) {
        nftnl_expr_set_u32(expr, NFTNL_EXPR_IMM_DREG, NFT_REG_1);
        nftnl_expr_set(expr, NFTNL_EXPR_IMM_DATA, bytes, len);
    }
}

/* tcp flags & (syn | rst) == syn tcp option maxseg size > M tcp option maxseg size set M */
static void clamp_put(struct batch *batch, const struct nft_config *config, uint32_t direction, bool is_v4)
{
    struct nftnl_rule *rule = rule_new(CHAIN_FORWARD);
    uint16_t mss = htons((uint16_t)(config->mtu - (is_v4 ? V4_OVERHEAD : V6_OVERHEAD)));
    match_tunnel(&rule, direction, NFT_CMP_EQ, config->tunnel_prefix);
    match_family(&rule, is_v4);
    match_syn(&rule);
    mss_access(&rule, NFTNL_EXPR_EXTHDR_DREG);
    compare(&rule, NFT_CMP_GT, &mss, sizeof(mss));
    register_set(&rule, &mss, sizeof(mss));
    mss_access(&rule, NFTNL_EXPR_EXTHDR_SREG);
    rule_put(batch, "MSS rule", rule);
}

/* ip saddr PREFIX oifname != "hf*" masquerade */
static void nat_put(struct batch *batch, const struct nft_config *config, const struct ip_prefix *prefix)
{
    struct nftnl_rule *rule = rule_new(CHAIN_POSTROUTING);
    struct ip_addr first = prefix_first(prefix);
    struct span network = ip_span(&first);
    uint32_t len = (uint32_t)network.len;
    uint8_t mask[16] = {0};
    for (uint32_t bit = 0; bit < prefix->bits; bit++) {
        mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
    match_family(&rule, prefix->is_v4);
    payload_load(&rule, NFT_PAYLOAD_NETWORK_HEADER, prefix->is_v4 ? V4_SOURCE_OFFSET : V6_SOURCE_OFFSET, len);
    mask_apply(&rule, mask, len);
    compare(&rule, NFT_CMP_EQ, network.data, len);
    match_tunnel(&rule, NFT_META_OIFNAME, NFT_CMP_NEQ, config->tunnel_prefix);
    (void)expr_add(&rule, "masq");
    rule_put(batch, "source NAT rule", rule);
}

/* ---- the transaction */

static bool batch_begin(struct batch *batch, char ret_error[NFT_ERROR_MAX])
{
    *batch = (struct batch){.memory = malloc(BATCH_BYTES + MESSAGE_BYTES_MAX)};
    if (batch->memory != NULL) {
        batch->messages = mnl_nlmsg_batch_start(batch->memory, BATCH_BYTES);
    }
    if (batch->messages == NULL) {
        free(batch->memory);
        snprintf(ret_error, NFT_ERROR_MAX, "nftables: no memory");
        return false;
    }
    nftnl_batch_begin(mnl_nlmsg_batch_current(batch->messages), 0);
    message_end(batch);
    return true;
}

static bool refused(const struct batch *batch, uint32_t sequence, int code, char ret_error[NFT_ERROR_MAX])
{
    bool known = sequence >= 1 && sequence <= batch->sequence;
    snprintf(ret_error, NFT_ERROR_MAX, "nftables: table inet " NFT_TABLE ": %s: %s",
             known ? batch->steps[sequence - 1] : "transaction", strerror(code));
    return false;
}

/* The kernel has answered when it has taken the messages: with an error for each it refused, or with the one
 * acknowledgement that was asked for. */
static bool answers_read(const struct batch *batch, struct mnl_socket *socket, char ret_error[NFT_ERROR_MAX])
{
    _Alignas(struct nlmsghdr) uint8_t bytes[16384];
    ssize_t received = mnl_socket_recvfrom(socket, bytes, sizeof(bytes));
    if (received < 0) {
        return refused(batch, 0, errno, ret_error);
    }
    int len = (int)received;
    const struct nlmsghdr *message = (const struct nlmsghdr *)bytes;
    for (; mnl_nlmsg_ok(message, len); message = mnl_nlmsg_next(message, &len)) {
        const struct nlmsgerr *error = mnl_nlmsg_get_payload(message);
        if (message->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(message) >= sizeof(*error)) {
            return error->error == 0 || refused(batch, message->nlmsg_seq, -error->error, ret_error);
        }
    }
    return refused(batch, 0, EBADMSG, ret_error);
}

static bool batch_send(const struct batch *batch, char ret_error[NFT_ERROR_MAX])
{
    struct mnl_socket *socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket == NULL) {
        return refused(batch, 0, errno, ret_error);
    }
    const void *bytes = mnl_nlmsg_batch_head(batch->messages);
    size_t len = mnl_nlmsg_batch_size(batch->messages);
    bool sent =
        mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) == 0 && mnl_socket_sendto(socket, bytes, len) >= 0;
    bool done = sent ? answers_read(batch, socket, ret_error) : refused(batch, 0, errno, ret_error);
    mnl_socket_close(socket);
    return done;
}

/* Sends what was written, as one transaction, and frees it. */
static bool batch_end(struct batch *batch, char ret_error[NFT_ERROR_MAX])
{
    struct nlmsghdr *last = batch->last;
    hf_assert(last != NULL || batch->failed);
    bool done = false;
    if (batch->failed) {
        refused(batch, 0, ENOMEM, ret_error);
    } else {
        last->nlmsg_flags |= NLM_F_ACK;
        nftnl_batch_end(mnl_nlmsg_batch_current(batch->messages), batch->sequence + 1);
        message_end(batch);
        done = batch_send(batch, ret_error);
    }
    mnl_nlmsg_batch_stop(batch->messages);
    free(batch->memory);
    return done;
}

/* Deleting needs a table to be there; making one that is there changes nothing. */
static void table_delete(struct batch *batch)
{
    table_put(batch, "make the table", NFT_MSG_NEWTABLE, NLM_F_CREATE);
    table_put(batch, "delete the table", NFT_MSG_DELTABLE, 0);
}

bool nft_apply(const struct nft_config *config, char ret_error[NFT_ERROR_MAX])
{
    static const uint32_t directions[] = {NFT_META_IIFNAME, NFT_META_OIFNAME};
    struct batch batch;
    hf_assert(config->num_nat <= NFT_NAT_MAX && config->mtu > V6_OVERHEAD && config->mtu <= UINT16_MAX);
    hf_assert(config->tunnel_prefix[0] != 0 && strlen(config->tunnel_prefix) < NFT_NAME_PREFIX_MAX);
    if (!batch_begin(&batch, ret_error)) {
        return false;
    }
    table_delete(&batch);
    table_put(&batch, "make the table", NFT_MSG_NEWTABLE, NLM_F_CREATE);
    chain_put(&batch, CHAIN_FORWARD, "filter", NF_INET_FORWARD, NF_IP_PRI_MANGLE);
    for (size_t i = 0; i < HF_COUNT(directions); i++) {
        clamp_put(&batch, config, directions[i], true);
        clamp_put(&batch, config, directions[i], false);
    }
    if (config->num_nat > 0) {
        chain_put(&batch, CHAIN_POSTROUTING, "nat", NF_INET_POST_ROUTING, NF_IP_PRI_NAT_SRC);
    }
    for (uint32_t i = 0; i < config->num_nat; i++) {
        nat_put(&batch, config, &config->nat[i]);
    }
    return batch_end(&batch, ret_error);
}

bool nft_remove(char ret_error[NFT_ERROR_MAX])
{
    struct batch batch;
    if (!batch_begin(&batch, ret_error)) {
        return false;
    }
    table_delete(&batch);
    return batch_end(&batch, ret_error);
}
