/* The atomic steps of docs/FLEET.md, as they run in the server. Each sees the keys of one hash tag only, so
 * that they work in a cluster.
 *
 * A number goes along that grows whenever a connection is lost (`generation`): a server that hung and goes on
 * executes what still lies in the socket of a connection that we gave up long ago, after what came by the
 * next one. What is older than the newest that was seen is refused.
 *
 * A server whose memory is full refuses commands that may need more, but only as the first write of a script.
 * So leases, claims and releases, which need next to nothing, begin with a write that frees, and so do
 * changes of records that are there; only new records find no room. */
#include "edge/store/valkey_internal.h"

/* KEYS[1]: hash of members, node -> "until instance generation value". */
#define MEMBERS                                                                                              \
    "local t = redis.call('TIME')\n"                                                                         \
    "local now = t[1] * 1000 + math.floor(t[2] / 1000)\n"                                                    \
    "local function member(node)\n"                                                                          \
    "  local m = redis.call('HGET', KEYS[1], node)\n"                                                        \
    "  if not m then return nil end\n"                                                                       \
    "  local till, instance, generation, value = m:match('^(%d+) (%x+) (%d+) (.*)$')\n"                      \
    "  if not till then error({err = 'HOLDFAST ' .. KEYS[1] .. ' ' .. node .. ' is no member'}) end\n"       \
    "  return {till = till + 0, instance = instance, generation = generation + 0, value = value}\n"          \
    "end\n"                                                                                                  \
    "local function no_room_needed() redis.call('HDEL', KEYS[1], '') end\n"

/* KEYS[2]: string, four bytes a shard. */
#define OWNERS                                                                                               \
    "local function owner(shard)\n"                                                                          \
    "  local at = shard * 4\n"                                                                               \
    "  local o = redis.call('GETRANGE', KEYS[2], at, at + 3)\n"                                              \
    "  if #o == 0 then return 0, 0 end\n"                                                                    \
    "  if #o ~= 4 then error({err = 'HOLDFAST ' .. KEYS[2] .. ' is no table of owners'}) end\n"              \
    "  return o:byte(1) * 256 + o:byte(2), o:byte(3) * 256 + o:byte(4)\n"                                    \
    "end\n"                                                                                                  \
    "local function own(shard, node, epoch)\n"                                                               \
    "  no_room_needed()\n"                                                                                   \
    "  redis.call('SETRANGE', KEYS[2], shard * 4, string.char(math.floor(node / 256), node % 256,\n"         \
    "    math.floor(epoch / 256), epoch % 256))\n"                                                           \
    "  return redis.call('INCR', KEYS[3])\n"                                                                 \
    "end\n"

/* KEYS[1]: "epoch generation". */
#define FENCE                                                                                                \
    "local f = redis.call('GET', KEYS[1])\n"                                                                 \
    "local epoch, generation = 0, 0\n"                                                                       \
    "if f then\n"                                                                                            \
    "  epoch, generation = f:match('^(%d+) (%d+)$')\n"                                                       \
    "  if not epoch then return redis.error_reply('HOLDFAST ' .. KEYS[1] .. ' is no fence') end\n"           \
    "  epoch, generation = epoch + 0, generation + 0\n"                                                      \
    "end\n"

static const char *const TEXTS[SCRIPTS] = {
    /* node instance generation ttl value -> result, version */
    [SCRIPT_LEASE] = MEMBERS
    "local m = member(ARGV[1])\n"
    "if m and m.instance ~= ARGV[2] and m.till > now then return {1, 0} end\n"
    "if m and m.instance == ARGV[2] and m.generation > ARGV[3] + 0 then return {1, 0} end\n"
    "no_room_needed()\n"
    "redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %s %s ', now + ARGV[4], ARGV[2], ARGV[3])\n"
    "  .. ARGV[5])\n"
    "return {0, tonumber(redis.call('GET', KEYS[3]) or 0)}\n",

    /* node instance generation -> result */
    [SCRIPT_UNLEASE] = MEMBERS
    "local m = member(ARGV[1])\n"
    "if not m or m.till <= now then return {0} end\n"
    "if m.instance ~= ARGV[2] or m.generation > ARGV[3] + 0 then return {1} end\n"
    "no_room_needed()\n"
    "redis.call('HSET', KEYS[1], ARGV[1], string.format('0 %s %s ', m.instance, ARGV[3]) .. m.value)\n"
    "return {0}\n",

    /* node -> result */
    [SCRIPT_FORGET] = MEMBERS "local m = member(ARGV[1])\n"
                              "if m and m.till > now then return {1} end\n"
                              "redis.call('HDEL', KEYS[1], ARGV[1])\n"
                              "return {0}\n",

    /* -> 0, version, owners, {node, lives, value}... */
    [SCRIPT_VIEW] = MEMBERS
    "local all = {0, tonumber(redis.call('GET', KEYS[3]) or 0), redis.call('GET', KEYS[2]) or ''}\n"
    "for _, node in ipairs(redis.call('HKEYS', KEYS[1])) do\n"
    "  local m = member(node)\n"
    "  all[#all + 1] = {tonumber(node) or 0, m.till > now and 1 or 0, m.value}\n"
    "end\n"
    "return all\n",

    /* node instance generation shard floor begin-again -> 0, epoch | 1: fenced | 2: the epochs are used up */
    [SCRIPT_CLAIM] = MEMBERS OWNERS
    "local m = member(ARGV[1])\n"
    "if not m or m.till <= now or m.instance ~= ARGV[2] or m.generation > ARGV[3] + 0 then return {1} end\n"
    "local node, epoch = owner(ARGV[4])\n"
    "if node ~= 0 and node ~= ARGV[1] + 0 then\n"
    "  local other = member(tostring(node))\n"
    "  if other and other.till > now then return {1} end\n"
    "end\n"
    "epoch = math.max(epoch, ARGV[5] + 0)\n"
    "if epoch >= 65535 then\n"
    "  if ARGV[6] ~= '1' then return {2} end\n"
    "  epoch = 0\n"
    "end\n"
    "own(ARGV[4], ARGV[1] + 0, epoch + 1)\n"
    "return {0, epoch + 1}\n",

    /* node instance generation shard epoch -> result */
    [SCRIPT_RELEASE] =
        MEMBERS OWNERS "local m = member(ARGV[1])\n"
                       "if m and m.instance == ARGV[2] and m.generation > ARGV[3] + 0 then return {1} end\n"
                       "local node, epoch = owner(ARGV[4])\n"
                       "if epoch == 0 or epoch ~= ARGV[5] + 0 then return {1} end\n"
                       "if node == 0 then return {0} end\n"
                       "if node ~= ARGV[1] + 0 then return {1} end\n"
                       "own(ARGV[4], 0, epoch)\n"
                       "return {0}\n",

    /* epoch generation -> 0 | 1, the fence. An equal one is somebody else's: a store that lost writes gave
     * the epoch twice. */
    [SCRIPT_FENCE] = FENCE "if epoch >= ARGV[1] + 0 then return {1, epoch} end\n"
                           "redis.call('HDEL', KEYS[2], '')\n"
                           "redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])\n"
                           "return {0}\n",

    /* generation -> 0 | 1: there are records. Nobody can write until the next fence. */
    [SCRIPT_UNFENCE] = FENCE "if redis.call('HLEN', KEYS[2]) > 0 then return {1} end\n"
                             "redis.call('HDEL', KEYS[2], '')\n"
                             "redis.call('SET', KEYS[1], '0 ' .. ARGV[1])\n"
                             "return {0}\n",

    /* epoch generation index replaced-index [record] -> result */
    [SCRIPT_WRITE] =
        FENCE "if epoch == 0 or epoch ~= ARGV[1] + 0 or ARGV[2] + 0 < generation then return {1} end\n"
              "local function free(index)\n"
              "  if index ~= '' and redis.call('HEXISTS', KEYS[2], index) == 1 then\n"
              "    redis.call('HDEL', KEYS[2], index)\n"
              "  end\n"
              "end\n"
              "free(ARGV[4])\n"
              "free(ARGV[3])\n"
              "if ARGV[5] then redis.call('HSET', KEYS[2], ARGV[3], ARGV[5]) end\n"
              "if ARGV[2] + 0 > generation then\n"
              "  redis.call('HDEL', KEYS[2], '')\n"
              "  redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])\n"
              "end\n"
              "return {0}\n",
};

const char *script_text(enum valkey_script script)
{
    hf_assert(script < SCRIPTS);
    return TEXTS[script];
}
