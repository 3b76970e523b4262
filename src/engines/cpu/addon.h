// What the parts of the addon share.

#ifndef MARQUEE_ADDON_H
#define MARQUEE_ADDON_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <stdint.h>

/** Zeroed, aligned to and made of huge pages where the system gives them; to be freed. Null: there is none. */
void *take_memory(int64_t bytes);

/** Adds the methods of samplers: samplerAddon.c. */
void add_sampler_methods(napi_env env, napi_value exports);

#endif
