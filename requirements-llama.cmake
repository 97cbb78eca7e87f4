# Read while llama.cpp is configured by `make app`: what only its programs need is not built. They are not either.
set(LLAMA_BUILD_COMMON OFF)
