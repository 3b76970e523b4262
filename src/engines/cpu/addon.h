// What the parts of the addon share.

#ifndef MARQUEE_ADDON_H
#define MARQUEE_ADDON_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <stdint.h>

/** First in what an external of ours points to, so that a sampler is never taken for a model. */
typedef enum { HANDLE_MODEL = 0x6d6f6465, HANDLE_SAMPLER = 0x73616d70 } handle_kind;

/** Of embeddings. */
#define MAX_WIDTH 256

/** Zeroed, aligned to and made of huge pages where the system gives them; to be freed. Null: there is none. */
void *take_memory(int64_t bytes);

/** Adds the methods of samplers: samplerAddon.c. */
void add_sampler_methods(napi_env env, napi_value exports);

#endif
