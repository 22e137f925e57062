// The limits of `broker/redis/`, each with its unit in its name. What can be set by a flag has its default here.

/** No part of a server waits longer for Redis: then it goes on without Redis. */
export const redisAnswerMs = 2_000
